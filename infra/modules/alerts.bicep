// Two alerts on the line that a leader logs each minute: that nobody logs it, and that two do. README.md has its schema.

@description('Region.')
param location string

@description('Tags of the alerts.')
param tags object

@description('Resource id of the workspace with the workers\' logs.')
param workspaceId string

@description('Name of the container app.')
param appName string

@description('Name of the election.')
param election string

@description('Address that alerts are sent to; empty for none.')
param email string

var leading = '''
ContainerAppConsoleLogs
| where ContainerAppName == '{0}'
| extend line = parse_json(tostring(Log))
| where tostring(line.event) == 'leading' and tostring(line.election) == '{1}'
'''

resource mail 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-${appName}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'leader'
    enabled: true
    emailReceivers: [
      {
        name: 'mail'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

var actions = {
  actionGroups: empty(email) ? [] : [mail.id]
}

// Logs arrive late, and a line that is still on its way must not count as missing. So this looks at the five minutes that
// ended five minutes ago.
resource noLeader 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${appName}-no-leader'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'No leader of ${election}'
    description: 'No worker has reported that it leads for five minutes.'
    severity: 1
    enabled: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT10M'
    criteria: {
      allOf: [
        {
          query: '${format(leading, appName, election)}| where TimeGenerated < ago(5m)'
          timeAggregation: 'Count'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    // The table appears with the first log line.
    skipQueryValidation: true
    actions: actions
  }
}

// At a hand-over both leaders can report within one minute. So one such minute says nothing; one in each of two consecutive
// windows does.
resource twoLeaders 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${appName}-two-leaders'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'More than one leader of ${election}'
    description: 'Two workers have reported in the same minute that they lead, with different fencing tokens, and again five minutes later.'
    severity: 0
    enabled: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      allOf: [
        {
          query: '${format(leading, appName, election)}| summarize holders = dcount(tostring(line.holder)), tokens = dcount(tostring(line.fencing_token)) by bin(TimeGenerated, 1m)\n| where holders > 1 and tokens > 1'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 2
            minFailingPeriodsToAlert: 2
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true
    actions: actions
  }
}
