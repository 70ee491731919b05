using 'worker.bicep'

// Set by azd.
param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param image = readEnvironmentVariable('SERVICE_WORKER_IMAGE_NAME')

// Outputs of main.bicep.
param registryServer = readEnvironmentVariable('AZURE_CONTAINER_REGISTRY_ENDPOINT')
param identityName = readEnvironmentVariable('WORKER_IDENTITY_NAME')
param containerAppsEnvironmentName = readEnvironmentVariable('AZURE_CONTAINER_APPS_ENVIRONMENT_NAME')
param workspaceName = readEnvironmentVariable('WORKER_WORKSPACE_NAME')
param insightsName = readEnvironmentVariable('WORKER_INSIGHTS_NAME')
param storeUrl = readEnvironmentVariable('LEADER_STORE_URL')
param stateUrl = readEnvironmentVariable('LEADER_STATE_URL')

// Yours, by `azd env set`.
param election = readEnvironmentVariable('LEADER_ELECTION', 'coordinator')
param leaseSeconds = int(readEnvironmentVariable('LEADER_LEASE_SECONDS', '15'))
param drainSeconds = int(readEnvironmentVariable('LEADER_DRAIN_SECONDS', '10'))
param replicas = int(readEnvironmentVariable('WORKER_REPLICAS', '2'))
param publicStatusPage = bool(readEnvironmentVariable('WORKER_PUBLIC_STATUS_PAGE', 'false'))
param otlpEndpoint = readEnvironmentVariable('WORKER_OTLP_ENDPOINT', '')
param alertEmail = readEnvironmentVariable('WORKER_ALERT_EMAIL', '')
