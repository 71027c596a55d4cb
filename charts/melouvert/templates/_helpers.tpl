{{/* Labels of one component: {component, root}. */}}
{{- define "melouvert.labels" -}}
app.kubernetes.io/name: melouvert
app.kubernetes.io/part-of: melouvert
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{ include "melouvert.selector" . }}
{{- end }}

{{/* The same for pods, without the version: a chart that is newer and nothing else restarts no server. */}}
{{- define "melouvert.podLabels" -}}
app.kubernetes.io/name: melouvert
app.kubernetes.io/part-of: melouvert
app.kubernetes.io/instance: {{ .root.Release.Name }}
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

{{/*
A StatefulSet that stands: {name, root}. What of it never changes is rendered as it is, so that values
that would change it (a StorageClass, a size, the order of its pods) do not make an upgrade fail.
*/}}
{{- define "melouvert.podManagement" -}}
{{- $set := lookup "apps/v1" "StatefulSet" .root.Release.Namespace .name -}}
{{- if $set }}{{ $set.spec.podManagementPolicy }}{{ else }}Parallel{{ end -}}
{{- end }}

{{/* The claim of a StatefulSet: {name, claim, size, root}. */}}
{{- define "melouvert.claim" -}}
{{- $set := lookup "apps/v1" "StatefulSet" .root.Release.Namespace .name -}}
{{- $class := .root.Values.region.storageClass -}}
{{- $size := .size -}}
{{- if $set -}}
{{- $spec := (first $set.spec.volumeClaimTemplates).spec -}}
{{- $class = $spec.storageClassName -}}
{{- $size = $spec.resources.requests.storage -}}
{{- end -}}
- metadata: {name: {{ .claim }}}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with $class }}
    storageClassName: {{ . }}
    {{- end }}
    resources: {requests: {storage: {{ $size }}}}
{{- end }}
