{{/* Chart's name, or what replaces it. */}}
{{- define "amazon-connect-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
Name of the objects. 52 characters at most: a StatefulSet puts a hash of 10 behind its name into a label, and labels end
at 63. A release's name may have dots and begin with a digit, which a Service's may not.
*/}}
{{- define "amazon-connect-exporter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $both := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- $whole := default $both .Values.fullnameOverride | replace "." "-" }}
{{- regexReplaceAll "-+$" (regexMatch "^[0-9]" $whole | ternary (printf "r-%s" $whole) $whole | trunc 52) "" }}
{{- end }}

{{- define "amazon-connect-exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "amazon-connect-exporter.serviceAccountName" -}}
{{- default (.Values.serviceAccount.create | ternary (include "amazon-connect-exporter.fullname" .) "default") .Values.serviceAccount.name }}
{{- end }}

{{/*
The Service of a StatefulSet has no address of its own, and what has one can not lose it: so another name.
*/}}
{{- define "amazon-connect-exporter.serviceName" -}}
{{- include "amazon-connect-exporter.fullname" . }}{{ if .Values.sharding.enabled }}-shards{{ end }}
{{- end }}

{{/* Port of Service and container, by name: monitors, Ingress and probes all mean this one. */}}
{{- define "amazon-connect-exporter.portName" -}}
metrics
{{- end }}

{{- define "amazon-connect-exporter.image" -}}
{{- $tag := empty .Values.image.digest | ternary (printf ":%s" (default .Chart.AppVersion .Values.image.tag)) (printf "@%s" .Values.image.digest) }}
{{- with .Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ .Values.image.repository }}{{ $tag }}
{{- end }}

{{/* What never changes: only this may stand in a selector. Argument: {root, component}. */}}
{{- define "amazon-connect-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "amazon-connect-exporter.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ default "exporter" .component }}
{{- end }}

{{/*
Labels of an object. Argument: {root, component, labels}. Merged as objects, ours winning: text put together would have
keys twice, and selectors would miss.
*/}}
{{- define "amazon-connect-exporter.labels" -}}
{{- $ours := include "amazon-connect-exporter.selectorLabels" . | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/part-of" .root.Chart.Name }}
{{- $_ := set $ours "app.kubernetes.io/version" (.root.Chart.AppVersion | replace "+" "_" | trunc 63) }}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .root.Release.Service }}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- toYaml (merge $ours (deepCopy (default dict .labels)) (default dict .root.Values.commonLabels)) }}
{{- end }}

{{/* Labels of a pod: without the chart's version, which would restart pods for nothing. Argument as above. */}}
{{- define "amazon-connect-exporter.podLabels" -}}
{{- $ours := include "amazon-connect-exporter.selectorLabels" . | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/part-of" .root.Chart.Name }}
{{- $_ := set $ours "app.kubernetes.io/version" (.root.Chart.AppVersion | replace "+" "_" | trunc 63) }}
{{- toYaml (merge $ours (deepCopy (default dict .labels)) (default dict .root.Values.commonLabels)) }}
{{- end }}

{{/* metadata of an object. Argument: {root, name, namespace, component, labels, annotations}; the first two are needed. */}}
{{- define "amazon-connect-exporter.metadata" -}}
name: {{ .name | quote }}
namespace: {{ default (include "amazon-connect-exporter.namespace" .root) .namespace | quote }}
labels:
  {{- include "amazon-connect-exporter.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The configuration file. Its own aws.region wins, which it would not over an environment variable. */}}
{{- define "amazon-connect-exporter.config" -}}
{{- $config := deepCopy (default dict .Values.config) }}
{{- with .Values.aws.region }}
{{- $_ := set $config "aws" (merge (default dict $config.aws) (dict "region" .)) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- define "amazon-connect-exporter.scheme" -}}
{{- .Values.webConfig.tls | ternary "https" "http" }}
{{- end }}

{{/* A probe as the values have it, by HTTPS where the exporter speaks it. Argument: {root, probe}. */}}
{{- define "amazon-connect-exporter.probe" -}}
{{- $probe := deepCopy .probe }}
{{- if and .root.Values.webConfig.tls $probe.httpGet }}
{{- $_ := set $probe "httpGet" (merge $probe.httpGet (dict "scheme" "HTTPS")) }}
{{- end }}
{{- toYaml $probe }}
{{- end }}

{{/*
Environment of the exporter as a list. No key of AWS is ever set to nothing: boto3 would take it for one, and IRSA and
Pod Identity would not be asked. Argument: {root, shard}.
*/}}
{{- define "amazon-connect-exporter.env" -}}
{{- $values := .root.Values }}
{{- $env := list }}
{{- with $values.aws.region }}
{{- range $name := list "AWS_REGION" "AWS_DEFAULT_REGION" }}
{{- $env = append $env (dict "name" $name "value" $values.aws.region) }}
{{- end }}
{{- if $values.existingConfigMap }}
{{- $env = append $env (dict "name" "AMAZON_CONNECT_EXPORTER_AWS__REGION" "value" $values.aws.region) }}
{{- end }}
{{- end }}
{{- with $values.aws.existingSecret }}
{{- $keys := $values.aws.existingSecretKeys }}
{{- range $pair := list (list "AWS_ACCESS_KEY_ID" $keys.accessKeyId) (list "AWS_SECRET_ACCESS_KEY" $keys.secretAccessKey) (list "AWS_SESSION_TOKEN" $keys.sessionToken) }}
{{- with index $pair 1 }}
{{- $ref := dict "name" $values.aws.existingSecret "key" . }}
{{- $env = append $env (dict "name" (index $pair 0) "valueFrom" (dict "secretKeyRef" $ref)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if $values.sharding.enabled }}
{{- if .shard }}
{{- $field := dict "fieldPath" "metadata.labels['apps.kubernetes.io/pod-index']" }}
{{- $env = append $env (dict "name" "AMAZON_CONNECT_EXPORTER_SHARD__INDEX" "valueFrom" (dict "fieldRef" $field)) }}
{{- end }}
{{- $env = append $env (dict "name" "AMAZON_CONNECT_EXPORTER_SHARD__TOTAL" "value" (toString $values.sharding.total)) }}
{{- end }}
{{- $given := dict }}
{{- range $values.extraEnv }}{{ $_ := set $given .name true }}{{ end }}
{{- $all := list }}
{{- range $env }}{{ if not (hasKey $given .name) }}{{ $all = append $all . }}{{ end }}{{ end }}
{{- with concat $all (default list $values.extraEnv) }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* Where the configuration lies in the pod. */}}
{{- define "amazon-connect-exporter.configPath" -}}
/etc/amazon-connect-exporter/config.yml
{{- end }}

{{- define "amazon-connect-exporter.configVolume" -}}
- name: config
  configMap:
    name: {{ default (include "amazon-connect-exporter.fullname" .) .Values.existingConfigMap | quote }}
    items:
      - key: {{ .Values.existingConfigMap | empty | ternary "config.yml" .Values.existingConfigMapKey | quote }}
        path: config.yml
{{- end }}

{{/* What pod templates have in common, the test's too. Argument: root. */}}
{{- define "amazon-connect-exporter.podBasics" -}}
serviceAccountName: {{ include "amazon-connect-exporter.serviceAccountName" . | quote }}
automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
# Services named like this one would become variables named like the exporter's own.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A duration such as 1m30s500ms. */}}
{{- define "amazon-connect-exporter.milliseconds" -}}
{{- $text := replace "ms" "f" . }}
{{- $sum := 0 }}
{{- range $unit, $factor := dict "h" 3600000 "m" 60000 "s" 1000 "f" 1 }}
{{- $sum = add $sum (mul $factor (regexFind (print "[0-9]+" $unit) $text | trimSuffix $unit | int)) }}
{{- end }}
{{- $sum }}
{{- end }}

{{/* What ServiceMonitor and PodMonitor have in common: an endpoint, and what stands beside it. Argument: {root, monitor}. */}}
{{- define "amazon-connect-exporter.endpoint" -}}
{{- $endpoint := dict "port" (include "amazon-connect-exporter.portName" .root) "path" "/metrics" "honorLabels" .monitor.honorLabels }}
{{- $_ := set $endpoint "scheme" (default (include "amazon-connect-exporter.scheme" .root) .monitor.scheme) }}
{{- range $key := list "interval" "scrapeTimeout" "tlsConfig" "basicAuth" "relabelings" "metricRelabelings" }}
{{- with index $.monitor $key }}{{ $_ := set $endpoint $key . }}{{ end }}
{{- end }}
{{- toYaml (list $endpoint) }}
{{- end }}

{{- define "amazon-connect-exporter.monitorLimits" -}}
{{- $given := dict }}
{{- $keys := list "targetLabels" "podTargetLabels" "attachMetadata" "sampleLimit" "targetLimit" "labelLimit" "labelNameLengthLimit" "labelValueLengthLimit" "keepDroppedTargets" "bodySizeLimit" }}
{{- range $key := $keys }}
{{- with index $.monitor $key }}{{ $_ := set $given $key . }}{{ end }}
{{- end }}
{{- with $given }}{{ toYaml . }}{{ end }}
{{- end }}
