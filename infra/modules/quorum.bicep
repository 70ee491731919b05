// Three storage accounts in three regions, each with a container for the lease blobs. A leader is who holds two of the three, so
// elections go on when one region is down.

@description('Three different regions.')
@minLength(3)
@maxLength(3)
param regions array

@description('Tags of the accounts.')
param tags object

@description('Principal of the workers\' identity.')
param principalId string

@description('Name of the role definition for the containers.')
param leaseWriter string

// Whatever way they are written, so that one region given twice gives one name twice, which the deployment refuses.
var names = [for region in regions: toLower(replace(region, ' ', ''))]

module members 'storage.bicep' = [
  for region in names: {
    name: 'storage-${region}'
    params: {
      name: 'st${uniqueString(resourceGroup().id, region)}'
      location: region
      tags: tags
      principalId: principalId
      leaseWriter: leaseWriter
    }
  }
]

output url string = 'quorum:${members[0].outputs.leasesUrl},${members[1].outputs.leasesUrl},${members[2].outputs.leasesUrl}'
