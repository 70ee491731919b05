// Azure Managed Redis for elections, and for nothing else: the one access policy that there is lets workers use all of its keys.

@description('Name of the cache: letters, digits and hyphens, unique in its region.')
@minLength(3)
@maxLength(60)
param name string

@description('Region.')
param location string

@description('Tags of the cache.')
param tags object

@description('Principal of the workers\' identity.')
param principalId string

resource cache 'Microsoft.Cache/redisEnterprise@2025-07-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    // The smallest one: 0.5 GB. Elections take a few small keys each.
    name: 'Balanced_B0'
  }
  properties: {
    // A replica takes over when the node fails. Replication is asynchronous, so that can lose the latest record: fence your writes.
    highAvailability: 'Enabled'
    minimumTlsVersion: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource database 'Microsoft.Cache/redisEnterprise/databases@2025-07-01' = {
  parent: cache
  // There is one, and it has this name.
  name: 'default'
  properties: {
    clientProtocol: 'Encrypted'
    port: 10000
    accessKeysAuthentication: 'Disabled'
    // One shard, behind one address. Never OSSCluster, which is what a database gets that does not say: there a key's node answers
    // `MOVED` with another port, which a plain client cannot follow, and the store refuses.
    clusteringPolicy: 'NoCluster'
    // Never evict: a record that is dropped to make room takes its term with it, and a second worker leads. A full cache refuses
    // writes instead, and then nobody leads.
    evictionPolicy: 'NoEviction'
    // Brings the records back when both nodes are lost, but for about the last second.
    persistence: {
      aofEnabled: true
      aofFrequency: '1s'
      rdbEnabled: false
    }
    // And no geoReplication: each region would accept writes, and two workers could lead by design.
  }
}

resource usesRedis 'Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments@2025-07-01' = {
  parent: database
  // Letters and digits only.
  name: uniqueString(principalId)
  properties: {
    accessPolicyName: 'default'
    user: {
      objectId: principalId
    }
  }
}

output url string = 'rediss://${cache.properties.hostName}:${database.properties.port}'
