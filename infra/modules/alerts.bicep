// Two alerts on the line that a leader logs each minute: that nobody logs it, and that two do. One on the line that tells a
// term's end: that its task failed. README.md has their schema.

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

// What the workers log about this election.
var entries = format('''
ContainerAppConsoleLogs
| where ContainerAppName == '{0}'
| extend entry = parse_json(tostring(Log))
| where tostring(entry.election) == '{1}'
''', appName, election)

// What a leader that can do its work logs each minute.
var leading = '''
| where tostring(entry.event) == 'leading'
'''

// The ends of terms whose task failed by itself: one that was told to end may say so by an error.
var failed = '''
| where tostring(entry.event) == 'ended' and tostring(entry.reason) == 'task_ended'
| where tostring(entry.outcome) in ('failed', 'panicked')
'''

// Logs arrive late, and a line that is still on its way must not count as missing: of the window of ten minutes the first five
// are looked at.
var earlier = '| where TimeGenerated < ago(5m)'

// The minutes in which several led. The rule counts them by their TimeGenerated, window by window.
var byMinute = '''
| summarize holders = dcount(tostring(entry.holder)), tokens = dcount(tostring(entry.fencing_token))
    by bin(TimeGenerated, 1m)
| where holders > 1 and tokens > 1
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
          query: '${entries}${leading}${earlier}'
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
    description: 'Twice in ten minutes two workers have reported, with different fencing tokens, that they lead.'
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
          query: '${entries}${leading}${byMinute}'
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

// The windows overlap, so that a line which arrives five minutes late is still counted.
resource failedTask 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${appName}-failed-task'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'The task of a leader of ${election} failed'
    description: 'In the last ten minutes a leader\'s task has ended with an error or a panic.'
    severity: 2
    enabled: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT10M'
    criteria: {
      allOf: [
        {
          query: '${entries}${failed}'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true
    actions: actions
  }
}
