// The two roles by which workers use blobs. Each account assigns them for its own containers: storage.bicep.
//
// No built-in role fits. Storage Blob Data Contributor may also delete, which takes a fence away together with its blob,
// and may not touch tags; Storage Blob Data Owner may do anything.

@description('Whether leases are blobs. Otherwise there is nothing to write them to, and no role for it.')
param leases bool

var blob = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs'
var suffix = uniqueString(resourceGroup().id)

// Creating, leasing, renewing, releasing and describing a blob are all `write`.
resource leaseWriter 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (leases) {
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

// The names of the definitions, which are what an assignment needs.
output leaseWriter string = leases ? leaseWriter.name : ''
output stateWriter string = stateWriter.name
