// A Cosmos DB account with a container for the leader documents and one for what leaders write.

@description('Name of the account: lower-case letters, digits and hyphens, unique in all of Azure.')
@minLength(3)
@maxLength(44)
param name string

@description('Region.')
param location string

@description('Tags of the account.')
param tags object

@description('Principal of the workers\' identity.')
param principalId string

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-10-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: [
      {
        name: 'EnableServerless'
      }
    ]
    // With a second write region compare-and-swap holds no longer, and two workers could lead: the crate refuses that.
    enableMultipleWriteLocations: false
    // Nor a read region to fail over to, which could lose the latest writes at this consistency.
    locations: [
      {
        locationName: location
        failoverPriority: 0
        isZoneRedundant: false
      }
    ]
    consistencyPolicy: {
      defaultConsistencyLevel: 'Session'
    }
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: {
        tier: 'Continuous7Days'
      }
    }
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2025-10-15' = {
  parent: account
  name: 'workers'
  properties: {
    resource: {
      id: 'workers'
    }
  }
}

// No time to live: a leader document that vanishes takes the highest fencing token with it. No index: it is read by its id.
resource leases 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-10-15' = {
  parent: database
  name: 'leases'
  properties: {
    resource: {
      id: 'leases'
      partitionKey: {
        kind: 'Hash'
        version: 2
        paths: [
          '/id'
        ]
      }
      indexingPolicy: {
        automatic: false
        indexingMode: 'none'
      }
    }
  }
}

// Not by /id: a fenced write is a batch with the fence document of the same partition, and with /id each is one of its own.
// No index, as the workers' role does not query; set one with the role if yours do.
resource state 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-10-15' = {
  parent: database
  name: 'state'
  properties: {
    resource: {
      id: 'state'
      partitionKey: {
        kind: 'Hash'
        version: 2
        paths: [
          '/partition'
        ]
      }
      indexingPolicy: {
        automatic: false
        indexingMode: 'none'
      }
    }
  }
}

module roles 'cosmos-roles.bicep' = {
  name: 'cosmos-roles'
  params: {
    accountName: account.name
    databaseName: database.name
    leasesName: leases.name
    stateName: state.name
    principalId: principalId
  }
}

// documentEndpoint ends with :443/, which is left out.
var endpoint = replace(account.properties.documentEndpoint, ':443/', '')

output leasesUrl string = '${endpoint}/dbs/${database.name}/colls/${leases.name}'
output stateUrl string = '${endpoint}/dbs/${database.name}/colls/${state.name}'
