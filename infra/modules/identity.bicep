// The identity of all workers. User-assigned, so that its roles stand before the first worker starts.

@description('Name of the identity.')
param name string

@description('Region.')
param location string

@description('Tags of the identity.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

output name string = identity.name
output principalId string = identity.properties.principalId
