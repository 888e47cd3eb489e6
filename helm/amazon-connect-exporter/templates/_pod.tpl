{{/* The pod template of Deployment and StatefulSet. */}}
{{- define "amazon-connect-exporter.pod" -}}
{{- $file := not .Values.demo.enabled }}
{{- $annotations := deepCopy (default dict .Values.podAnnotations) }}
{{- if and $file (not .Values.existingConfigMap) }}
{{- $_ := set $annotations "checksum/config" (include "amazon-connect-exporter.config" . | sha256sum) }}
{{- end -}}
metadata:
  labels:
    {{- include "amazon-connect-exporter.podLabels" (dict "root" . "labels" .Values.podLabels) | nindent 4 }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "amazon-connect-exporter.podBasics" . | nindent 2 }}
  terminationGracePeriodSeconds: {{ int .Values.terminationGracePeriodSeconds }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: exporter
      image: {{ include "amazon-connect-exporter.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      args:
        {{- if .Values.demo.enabled }}
        - demo
        - --seed={{ int .Values.demo.seed }}
        - --instances={{ int .Values.demo.instances }}
        - --queues={{ int .Values.demo.queues }}
        {{- else }}
        - run
        - --config={{ include "amazon-connect-exporter.configPath" . }}
        {{- end }}
        - --listen-address=:{{ int .Values.containerPort }}
        {{- if .Values.webConfig.existingSecret }}
        - --web-config-file=/etc/amazon-connect-exporter-web/{{ .Values.webConfig.key }}
        {{- end }}
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with include "amazon-connect-exporter.env" (dict "root" . "shard" true) }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: {{ include "amazon-connect-exporter.portName" . }}
          containerPort: {{ int .Values.containerPort }}
          protocol: TCP
      {{- range $name := list "startupProbe" "livenessProbe" "readinessProbe" }}
      {{- with index $.Values $name }}
      {{ $name }}:
        {{- include "amazon-connect-exporter.probe" (dict "root" $ "probe" .) | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if or $file .Values.webConfig.existingSecret .Values.extraVolumeMounts }}
      volumeMounts:
        {{- if $file }}
        # A directory, not a file of it: what is mounted by subPath never changes again.
        - name: config
          mountPath: {{ include "amazon-connect-exporter.configPath" . | dir }}
          readOnly: true
        {{- end }}
        {{- if .Values.webConfig.existingSecret }}
        - name: web-config
          mountPath: /etc/amazon-connect-exporter-web
          readOnly: true
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
    {{- with .Values.sidecars }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if or $file .Values.webConfig.existingSecret .Values.extraVolumes }}
  volumes:
    {{- if $file }}
    {{- include "amazon-connect-exporter.configVolume" . | nindent 4 }}
    {{- end }}
    {{- if .Values.webConfig.existingSecret }}
    - name: web-config
      projected:
        sources:
          - secret:
              name: {{ .Values.webConfig.existingSecret | quote }}
          {{- with .Values.webConfig.certificateSecret }}
          - secret:
              name: {{ . | quote }}
          {{- end }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end }}

{{/* What can not be meant is refused before anything is installed. */}}
{{- define "amazon-connect-exporter.refuse" -}}
{{- $config := default dict .Values.config }}
{{- if .Values.demo.enabled }}
{{- if .Values.sharding.enabled }}{{ fail "demo.enabled and sharding.enabled: the simulated contact centre lives in one pod" }}{{ end }}
{{- else if not (or .Values.existingConfigMap $config.instances $config.discovery) }}
{{- fail "nothing to collect: set config.instances or config.discovery (or existingConfigMap, or demo.enabled to try it without AWS)" }}
{{- end }}
{{- if and .Values.existingConfigMap (or .Values.config .Values.demo.enabled) }}
{{- fail "existingConfigMap excludes config and demo.enabled: one would be ignored" }}
{{- end }}
{{- /* null takes a default away, and what is left would be 0: no pod, no port, no time to end. */}}
{{- range $key, $number := dict "replicas" .Values.replicas "revisionHistoryLimit" .Values.revisionHistoryLimit "terminationGracePeriodSeconds" .Values.terminationGracePeriodSeconds "containerPort" .Values.containerPort "service.port" .Values.service.port "test.timeout" .Values.test.timeout }}
{{- if kindIs "invalid" $number }}{{ fail (printf "%s: a number is needed, null is none" $key) }}{{ end }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- fail "serviceMonitor.enabled and podMonitor.enabled: every series would be there twice" }}
{{- end }}
{{- range $key := list "serviceMonitor" "podMonitor" }}
{{- with index $.Values $key }}
{{- if and .enabled .interval .scrapeTimeout (gt (include "amazon-connect-exporter.milliseconds" .scrapeTimeout | int) (include "amazon-connect-exporter.milliseconds" .interval | int)) }}
{{- fail (printf "%s.scrapeTimeout: %s is longer than the interval, %s, and Prometheus would refuse it" $key .scrapeTimeout .interval) }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.strategy }}
{{- if and .rollingUpdate (eq (toString .type) "Recreate") }}
{{- fail "strategy.rollingUpdate needs strategy.type: RollingUpdate" }}
{{- end }}
{{- end }}
{{- if and .Values.sharding.enabled (or .Values.ingress.enabled .Values.httpRoute.enabled) }}
{{- fail "sharding.enabled excludes ingress.enabled and httpRoute.enabled: each shard shows other instances, and it would be chance which" }}
{{- end }}
{{- if and (or .Values.webConfig.tls .Values.webConfig.certificateSecret) (not .Values.webConfig.existingSecret) }}
{{- fail "webConfig.tls and webConfig.certificateSecret need webConfig.existingSecret, the file that switches TLS on" }}
{{- end }}
{{- end }}
