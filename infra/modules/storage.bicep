// A storage account with a container for the lease blobs, one for what leaders write, or both.

@description('Name of the account: lower-case letters and digits, unique in all of Azure.')
@minLength(3)
@maxLength(24)
param name string

@description('Region.')
param location string

@description('Tags of the account.')
param tags object

@description('Principal of the workers\' identity.')
param principalId string

@description('Name of the role definition for the container `leases`; empty for an account without that container.')
param leaseWriter string = ''

@description('Name of the role definition for the container `state`; empty for an account without that container.')
param stateWriter string = ''

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    // No paired region: failing over to one can lose the latest writes, and with them the record of a term.
    name: 'Standard_LRS'
  }
  properties: {
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    // With a hierarchical namespace there are no blob tags, and so no fence in a tag.
    isHnsEnabled: false
    accessTier: 'Hot'
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' = {
  parent: account
  name: 'default'
  properties: {
    // A container that was deleted by mistake can be restored. Blobs are not kept: each overwrite of a leader would leave one.
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

// Of its own, as whoever may write here may also break the leases.
resource leases 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = if (!empty(leaseWriter)) {
  parent: blobs
  name: 'leases'
  properties: {
    publicAccess: 'None'
  }
}

resource state 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = if (!empty(stateWriter)) {
  parent: blobs
  name: 'state'
  properties: {
    publicAccess: 'None'
  }
}

resource writesLeases 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(leaseWriter)) {
  name: guid(leases.id, principalId, leaseWriter)
  scope: leases
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', leaseWriter)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource writesState 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(stateWriter)) {
  name: guid(state.id, principalId, stateWriter)
  scope: state
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', stateWriter)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// Each is empty, or where nothing is, if the account has no such container.
output leasesUrl string = '${account.properties.primaryEndpoints.blob}leases'
output stateUrl string = '${account.properties.primaryEndpoints.blob}state'
