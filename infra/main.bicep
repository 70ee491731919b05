// What the workers need, but for the workers themselves: those are in worker.bicep, deployed with each image.
targetScope = 'subscription'

@description('Name of the azd environment. The resource group bears it, and every name is derived from it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of all resources.')
@minLength(1)
param location string

@description('What the workers elect their leader on, and where leaders keep their data: a blob lease, or a Cosmos DB document.')
@allowed([
  'blob'
  'cosmos'
])
param store string = 'blob'

var tags = {
  'azd-env-name': environmentName
}
var suffix = uniqueString(subscription().id, environmentName, location)

resource group 'Microsoft.Resources/resourceGroups@2025-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-${suffix}'
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module registry 'modules/registry.bicep' = {
  name: 'registry'
  scope: group
  params: {
    name: 'cr${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module environment 'modules/environment.bicep' = {
  name: 'environment'
  scope: group
  params: {
    name: 'cae-${suffix}'
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
  }
}

module storage 'modules/storage.bicep' = if (store == 'blob') {
  name: 'storage'
  scope: group
  params: {
    name: 'st${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module cosmos 'modules/cosmos.bicep' = if (store == 'cosmos') {
  name: 'cosmos'
  scope: group
  params: {
    name: 'cosmos-${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

// azd keeps these as variables of its environment: it needs the first ones itself, worker.bicepparam reads the rest.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.loginServer
output AZURE_CONTAINER_APPS_ENVIRONMENT_NAME string = environment.outputs.name
output WORKER_IDENTITY_NAME string = identity.outputs.name
output WORKER_WORKSPACE_NAME string = monitoring.outputs.workspaceName
output WORKER_INSIGHTS_NAME string = monitoring.outputs.insightsName
output LEADER_STORE string = store
output LEADER_STORE_URL string = store == 'blob' ? storage!.outputs.leasesUrl : cosmos!.outputs.leasesUrl
output LEADER_STATE_URL string = store == 'blob' ? storage!.outputs.stateUrl : cosmos!.outputs.stateUrl
