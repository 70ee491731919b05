// The workers, and the alerts that watch them. azd deploys this file with each new image, so there is no placeholder image
// that the probes would have to spare, and each deployment is one revision: one hand-over of the lead, not two.

@description('Region.')
param location string = resourceGroup().location

@description('Name of the azd environment.')
param environmentName string

@description('Image of the worker, with its registry and its tag.')
param image string

@description('Login server of the registry.')
param registryServer string

@description('Name of the workers\' user-assigned identity.')
param identityName string

@description('Name of the Container Apps environment.')
param containerAppsEnvironmentName string

@description('Name of the Log Analytics workspace.')
param workspaceName string

@description('Name of the Application Insights component.')
param insightsName string

@description('URL of the store that the workers elect their leader on.')
param storeUrl string

@description('URL of the container that leaders write to.')
param stateUrl string

@description('Name of the election: the lease blob, the key, the session, or the id of the leader document. Letters, digits and hyphens.')
@minLength(1)
@maxLength(63)
param election string

@description('Length of the lease in seconds. After a crash nobody leads for about that long.')
@minValue(15)
@maxValue(60)
param leaseSeconds int = 15

@description('How long the leader\'s task may take to end when its worker is told to, in seconds.')
@minValue(1)
@maxValue(60)
param drainSeconds int = 10

@description('How many workers run: one leads, the others stand by.')
@minValue(2)
@maxValue(30)
param replicas int = 2

@description('Whether the status page can be reached from the internet. It names the workers and asks for no password.')
param publicStatusPage bool = false

@description('Endpoint of an OpenTelemetry collector; empty for none.')
param otlpEndpoint string = ''

@description('Address that alerts are sent to; empty to see them in the portal only.')
param alertEmail string = ''

var port = 8080
var name = 'worker'
var tags = {
  'azd-env-name': environmentName
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource environment 'Microsoft.App/managedEnvironments@2025-07-01' existing = {
  name: containerAppsEnvironmentName
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: workspaceName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

// README.md says what each of them means to the worker.
var settings = [
  {
    name: 'LEADER_STORE_URL'
    value: storeUrl
  }
  {
    name: 'LEADER_STATE_URL'
    value: stateUrl
  }
  {
    name: 'LEADER_ELECTION'
    value: election
  }
  {
    name: 'LEADER_LEASE_SECONDS'
    value: string(leaseSeconds)
  }
  {
    name: 'LEADER_DRAIN_SECONDS'
    value: string(drainSeconds)
  }
  {
    name: 'AZURE_CLIENT_ID'
    value: identity.properties.clientId
  }
  {
    // No secret: sending needs the identity's token too.
    name: 'APPLICATIONINSIGHTS_CONNECTION_STRING'
    value: insights.properties.ConnectionString
  }
]
var otlp = empty(otlpEndpoint) ? [] : [{ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: otlpEndpoint }]

resource worker 'Microsoft.App/containerApps@2025-07-01' = {
  name: name
  location: location
  tags: union(tags, {
    'azd-service-name': 'worker'
  })
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      // The old revision runs until the new one is ready, so at each deployment workers of both contend for one lease. That
      // is safe, as they elect under the same name; the lead moves when the old leader is stopped.
      activeRevisionsMode: 'Single'
      ingress: {
        external: publicStatusPage
        targetPort: port
        transport: 'http'
        allowInsecure: false
      }
      registries: [
        {
          server: registryServer
          identity: identity.id
        }
      ]
    }
    template: {
      // After SIGTERM the task has `drainSeconds`, then the lease is released, which takes three attempts of a fifth of the
      // lease, or of 6 s, at most: 10 s + 9 s by default, 60 s + 18 s at the utmost. Killed earlier, the worker would leave a lease
      // behind that nobody runs.
      terminationGracePeriodSeconds: 120
      containers: [
        {
          name: name
          image: image
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
          env: concat(settings, otlp)
          probes: [
            {
              type: 'Startup'
              httpGet: {
                path: '/healthz'
                port: port
              }
              periodSeconds: 2
              timeoutSeconds: 2
              failureThreshold: 30
            }
            {
              type: 'Liveness'
              httpGet: {
                path: '/healthz'
                port: port
              }
              periodSeconds: 10
              timeoutSeconds: 2
              failureThreshold: 3
            }
            {
              // Ready means that the store has answered, not leading: a new revision could never replace one that leads.
              type: 'Readiness'
              httpGet: {
                path: '/readyz'
                port: port
              }
              periodSeconds: 5
              timeoutSeconds: 2
              failureThreshold: 3
            }
          ]
        }
      ]
      // A fixed number: load says nothing about how many standbys are wanted, and scaling in could take the leader.
      scale: {
        minReplicas: replicas
        maxReplicas: replicas
      }
    }
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    location: location
    tags: tags
    workspaceId: workspace.id
    appName: worker.name
    election: election
    email: alertEmail
  }
}

output SERVICE_WORKER_NAME string = worker.name
output SERVICE_WORKER_URI string = 'https://${worker.properties.configuration.ingress.fqdn}'
