# For pint (the linter of Prometheus rules): `pint lint grafana/rules`.
parser {
  include = ["grafana/rules/[^/]+.yaml"]
}

checks {
  # They ask a running Prometheus; our tests do that with data of a whole week.
  disabled = ["promql/series", "promql/counter", "alerts/count", "query/cost"]
}

# Two exporters of one instance, say of two environments, are never mixed.
rule {
  match {
    kind = "recording"
  }
  aggregate ".+" {
    severity = "bug"
    keep     = ["job"]
  }
}

rule {
  match {
    kind = "alerting"
  }
  label "severity" {
    severity = "bug"
    required = true
    value    = "critical|warning|info"
  }
  label "area" {
    severity = "bug"
    required = true
    value    = "operations|exporter"
  }
  annotation "summary" {
    severity = "bug"
    required = true
  }
  annotation "description" {
    severity = "bug"
    required = true
  }
  annotation "runbook_url" {
    severity = "bug"
    required = true
    value    = "https://.+#amazonconnect.+"
  }
  annotation "dashboard_url" {
    severity = "bug"
    required = true
    value    = "https://.+/d/amazon-connect-.+"
  }
}
