// A Service Bus queue with sessions. An election is a session of its name: whoever holds its lock may write its state.

@description('Name of the namespace: letters, digits and hyphens, unique in all of Azure.')
@minLength(6)
@maxLength(50)
param name string

@description('Region.')
param location string

@description('Tags of the namespace.')
param tags object

@description('Principal of the workers\' identity.')
param principalId string

@description('How long a session stays locked without a renewal, in seconds. Longer than the time between two renewals; after a leader froze, nobody leads for the lease and for that long.')
@minValue(5)
@maxValue(300)
param lockSeconds int

var dataReceiver = '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
var dataSender = '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39'

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    // Basic has no sessions.
    name: 'Standard'
    tier: 'Standard'
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: namespace
  name: 'elections'
  properties: {
    // Cannot be changed later: a queue without sessions has to be deleted and made anew.
    requiresSession: true
    lockDuration: 'PT${lockSeconds}S'
    enablePartitioning: false
    // No autoDeleteOnIdle: with the queue goes the state of its sessions, and with that the highest fencing token.
  }
}

// To lock a session, renew it, and read and write its state.
resource receives 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(queue.id, principalId, dataReceiver)
  scope: queue
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataReceiver)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// To leave a message in the session that says who leads.
resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(queue.id, principalId, dataSender)
  scope: queue
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataSender)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// serviceBusEndpoint is https://<name>.servicebus.windows.net:443/.
output url string = 'sb://${split(replace(namespace.properties.serviceBusEndpoint, 'https://', ''), ':')[0]}/${queue.name}'
