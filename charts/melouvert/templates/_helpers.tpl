{{/* Labels of one component: {component, root}. */}}
{{- define "melouvert.labels" -}}
app.kubernetes.io/name: melouvert
app.kubernetes.io/part-of: melouvert
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{ include "melouvert.selector" . }}
{{- end }}

{{- define "melouvert.selector" -}}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* What spaces cannot do without, or what protects their data, stays when the release goes. */}}
{{- define "melouvert.keep" -}}
{{- if .Values.keepOnUninstall -}}
annotations: {helm.sh/resource-policy: keep}
{{- end -}}
{{- end }}

{{/* Restricted Pod Security, uid 10001. */}}
{{- define "melouvert.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "melouvert.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "melouvert.databaseHost" -}}
{{- if .Values.database.embedded -}}
melouvert-postgresql.{{ .Release.Namespace }}.svc.cluster.local
{{- else -}}
{{ .Values.database.host }}
{{- end -}}
{{- end }}

{{/* RBAC subjects from values. */}}
{{- define "melouvert.subjects" -}}
{{- range . }}
- kind: {{ .kind }}
  name: {{ .name | quote }}
  {{- if eq .kind "ServiceAccount" }}
  namespace: {{ .namespace }}
  {{- else }}
  apiGroup: rbac.authorization.k8s.io
  {{- end }}
{{- end }}
{{- end }}

{{/* The user name of the operator. */}}
{{- define "melouvert.operatorUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:melouvert-operator
{{- end }}

{{/* Egress to the name servers. */}}
{{- define "melouvert.dnsEgress" -}}
- to:
    {{- with .Values.region.dnsCidrs }}
    {{- range . }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
    {{- else }}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
    {{- end }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{/* Pods of one component in any tenant. */}}
{{- define "melouvert.tenantPods" -}}
namespaceSelector: {matchExpressions: [{key: melouvert.fr/siren, operator: Exists}]}
podSelector: {matchLabels: {app.kubernetes.io/component: {{ . }}}}
{{- end }}
