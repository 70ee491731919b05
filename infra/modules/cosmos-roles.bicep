// What the workers may do with documents: data-plane roles of the account's own, each assigned for the least scope.

@description('Name of the Cosmos DB account.')
param accountName string

@description('Name of the database.')
param databaseName string

@description('Name of the container with the leader documents.')
param leasesName string

@description('Name of the container with the leaders\' documents.')
param stateName string

@description('Principal of the workers\' identity.')
param principalId string

var items = 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items'

// An empty container means the whole account.
var grants = [
  {
    // The client reads the account's regions, and the crate how many of them are written to. Shows no document.
    name: 'leader-metadata-reader'
    container: ''
    dataActions: [
      'Microsoft.DocumentDB/databaseAccounts/readMetadata'
    ]
  }
  {
    // Without `delete`: the document holds the highest fencing token, and outlives every leader.
    name: 'leader-lease-writer'
    container: leasesName
    dataActions: [
      '${items}/read'
      '${items}/create'
      '${items}/replace'
    ]
  }
  {
    // What a fenced batch can hold.
    name: 'leader-state-writer'
    container: stateName
    dataActions: [
      '${items}/read'
      '${items}/create'
      '${items}/replace'
      '${items}/upsert'
      '${items}/delete'
    ]
  }
]

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-10-15' existing = {
  name: accountName
}

// One after the other: an account takes one change at a time.
@batchSize(1)
resource roles 'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions@2025-10-15' = [
  for grant in grants: {
    parent: account
    name: guid(account.id, grant.name)
    properties: {
      roleName: grant.name
      type: 'CustomRole'
      assignableScopes: [
        account.id
      ]
      permissions: [
        {
          dataActions: grant.dataActions
        }
      ]
    }
  }
]

@batchSize(1)
resource assignments 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-10-15' = [
  for (grant, i) in grants: {
    parent: account
    name: guid(account.id, grant.name, principalId)
    properties: {
      roleDefinitionId: roles[i].id
      principalId: principalId
      scope: empty(grant.container) ? account.id : '${account.id}/dbs/${databaseName}/colls/${grant.container}'
    }
  }
]
