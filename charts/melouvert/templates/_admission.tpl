{{/* CEL: whether a Namespace is a space's: {of, root}. The mark is the operator's alone to give. */}}
{{- define "melouvert.isSpace" -}}
(has({{ .of }}.metadata.labels) && 'melouvert.fr/siren' in {{ .of }}.metadata.labels &&
'app.kubernetes.io/managed-by' in {{ .of }}.metadata.labels &&
{{ .of }}.metadata.labels['app.kubernetes.io/managed-by'] == 'melouvert' &&
{{ .of }}.metadata.name == 'col-' + {{ .of }}.metadata.labels['melouvert.fr/siren'] &&
(!('melouvert.fr/installation' in {{ .of }}.metadata.labels) ||
{{ .of }}.metadata.labels['melouvert.fr/installation'] == '{{ .root.Release.Namespace }}'))
{{- end }}

{{/* CEL: whether the value of a key of a map, present or not, is the same in both: {before, after, key}. */}}
{{- define "melouvert.sameKey" -}}
(({{ .key }} in {{ .before }}) == ({{ .key }} in {{ .after }}) &&
(!({{ .key }} in {{ .before }}) || {{ .before }}[{{ .key }}] == {{ .after }}[{{ .key }}]))
{{- end }}

{{/* A policy's binding, which denies: {name, root}. */}}
{{- define "melouvert.denies" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels: {{- include "melouvert.labels" (dict "component" "admission" "root" .root) | nindent 4 }}
  {{- include "melouvert.keep" .root | nindent 2 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end }}
