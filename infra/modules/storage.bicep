// A storage account with a container for the lease blobs and one for what leaders write.

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
resource leases 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = {
  parent: blobs
  name: 'leases'
  properties: {
    publicAccess: 'None'
  }
}

resource state 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = {
  parent: blobs
  name: 'state'
  properties: {
    publicAccess: 'None'
  }
}

module roles 'storage-roles.bicep' = {
  name: 'storage-roles'
  params: {
    accountName: account.name
    leasesName: leases.name
    stateName: state.name
    principalId: principalId
  }
}

output leasesUrl string = '${account.properties.primaryEndpoints.blob}${leases.name}'
output stateUrl string = '${account.properties.primaryEndpoints.blob}${state.name}'
