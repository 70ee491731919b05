// What the workers need, but for the workers themselves: those are in worker.bicep, deployed with each image.
targetScope = 'subscription'

@description('Name of the azd environment. The resource group bears it, and every name is derived from it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of all resources.')
@minLength(1)
param location string

@description('What the workers elect their leader on. Leaders keep their data in Cosmos DB with `cosmos`, and else in blobs.')
@allowed([
  'blob'
  'cosmos'
  'quorum'
  'redis'
  'service-bus'
])
param store string = 'blob'

@description('Regions of the three storage accounts of a `quorum`, all different.')
@minLength(3)
@maxLength(3)
param quorumRegions array = [
  'westeurope'
  'northeurope'
  'swedencentral'
]

@description('Length of the lease in seconds, as worker.bicep has it: a session of `service-bus` has to stay locked between two renewals.')
@minValue(15)
@maxValue(60)
param leaseSeconds int = 15

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

// Blobs hold the leaders' data for each store but Cosmos DB, and the leases for two.
module storageRoles 'modules/storage-roles.bicep' = if (store != 'cosmos') {
  name: 'storage-roles'
  scope: group
  params: {
    leases: store == 'blob' || store == 'quorum'
  }
}

module storage 'modules/storage.bicep' = if (store != 'cosmos') {
  name: 'storage'
  scope: group
  params: {
    name: 'st${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    leaseWriter: store == 'blob' ? storageRoles!.outputs.leaseWriter : ''
    stateWriter: storageRoles!.outputs.stateWriter
  }
}

module quorum 'modules/quorum.bicep' = if (store == 'quorum') {
  name: 'quorum'
  scope: group
  params: {
    regions: quorumRegions
    tags: tags
    principalId: identity.outputs.principalId
    leaseWriter: storageRoles!.outputs.leaseWriter
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

module redis 'modules/redis.bicep' = if (store == 'redis') {
  name: 'redis'
  scope: group
  params: {
    name: 'redis-${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module serviceBus 'modules/service-bus.bicep' = if (store == 'service-bus') {
  name: 'service-bus'
  scope: group
  params: {
    name: 'sb-${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    // Two thirds of a lease: renewals come each third, and may take a fifth of it.
    lockSeconds: leaseSeconds * 2 / 3
  }
}

// Where the record is that workers compare and replace. Of each choice one branch is evaluated: that of what is deployed.
var recordUrl = store == 'cosmos' ? cosmos!.outputs.leasesUrl : store == 'redis' ? redis!.outputs.url : serviceBus!.outputs.url

// azd keeps these as variables of its environment: it needs the first ones itself, worker.bicepparam reads the rest.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.loginServer
output AZURE_CONTAINER_APPS_ENVIRONMENT_NAME string = environment.outputs.name
output WORKER_IDENTITY_NAME string = identity.outputs.name
output WORKER_WORKSPACE_NAME string = monitoring.outputs.workspaceName
output WORKER_INSIGHTS_NAME string = monitoring.outputs.insightsName
output LEADER_STORE string = store
output LEADER_STORE_URL string = store == 'blob' ? storage!.outputs.leasesUrl : store == 'quorum' ? quorum!.outputs.url : recordUrl
output LEADER_STATE_URL string = store == 'cosmos' ? cosmos!.outputs.stateUrl : storage!.outputs.stateUrl
