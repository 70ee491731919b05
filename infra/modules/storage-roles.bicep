// What the workers may do with blobs: two roles of our own, each assigned for one container.
//
// No built-in role fits. Storage Blob Data Contributor may also delete, which takes a fence away together with its blob,
// and may not touch tags; Storage Blob Data Owner may do anything.

@description('Name of the storage account.')
param accountName string

@description('Name of the container with the lease blobs.')
param leasesName string

@description('Name of the container with the leaders\' blobs.')
param stateName string

@description('Principal of the workers\' identity.')
param principalId string

var blob = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs'
var suffix = uniqueString(resourceGroup().id)

// Creating, leasing, renewing, releasing and describing a blob are all `write`.
resource leaseWriter 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'leader-lease-writer')
  properties: {
    roleName: 'Leader lease writer ${suffix}'
    description: 'Reads and writes blobs and their leases. Neither lists nor deletes.'
    type: 'CustomRole'
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: [
          '${blob}/read'
          '${blob}/write'
        ]
        notDataActions: []
      }
    ]
    assignableScopes: [
      resourceGroup().id
    ]
  }
}

// The fence is a tag that each write tests and sets. `add` is not needed: it is the weaker form of `write`.
resource stateWriter 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'leader-state-writer')
  properties: {
    roleName: 'Leader state writer ${suffix}'
    description: 'Reads and writes blobs and their tags. Deletes no blob, as that would delete its fence.'
    type: 'CustomRole'
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: [
          '${blob}/read'
          '${blob}/write'
          '${blob}/tags/read'
          '${blob}/tags/write'
        ]
        notDataActions: []
      }
    ]
    assignableScopes: [
      resourceGroup().id
    ]
  }
}

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: accountName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource leases 'containers' existing = {
      name: leasesName
    }

    resource state 'containers' existing = {
      name: stateName
    }
  }
}

resource writesLeases 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::blobs::leases.id, principalId, leaseWriter.name)
  scope: account::blobs::leases
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', leaseWriter.name)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource writesState 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::blobs::state.id, principalId, stateWriter.name)
  scope: account::blobs::state
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', stateWriter.name)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
