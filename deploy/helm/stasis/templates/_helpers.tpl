{{/* Names and labels. A component is lifecycle-svc, snapshot-svc or committer-agent. */}}

{{- define "stasis.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* (list $ component) */}}
{{- define "stasis.name" -}}
{{- printf "%s-%s" (include "stasis.fullname" (index . 0)) (index . 1) -}}
{{- end }}

{{- define "stasis.selectorLabels" -}}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "stasis.commonLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "stasis.labels" -}}
{{ include "stasis.commonLabels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* (list $ image): registry/repository@digest, else :tag, else the chart's version. */}}
{{- define "stasis.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- with $root.Values.global.imageRegistry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default $root.Chart.AppVersion $image.tag }}{{ end -}}
{{- end }}

{{- define "stasis.committerImage" -}}
{{- default (include "stasis.image" (list . .Values.agent.image)) .Values.controller.snapshot.imageCommitterImage -}}
{{- end }}

{{- define "stasis.sandboxNamespace" -}}
{{- default .Release.Namespace .Values.sandboxNamespace -}}
{{- end }}

{{- define "stasis.commitMode" -}}
{{- if .Values.agent.enabled -}}
{{- .Values.controller.commitMode -}}
{{- else if eq .Values.controller.commitMode "agent" -}}
{{- fail "controller.commitMode=agent needs agent.enabled=true: without agents only Jobs can commit" -}}
{{- else -}}
job
{{- end -}}
{{- end }}

{{- define "stasis.apiKeySecret" -}}
{{- default (printf "%s-api-key" (include "stasis.fullname" .)) .Values.apiKey.existingSecret -}}
{{- end }}

{{/* (list $ component): the Secret with ca.crt, tls.crt and tls.key */}}
{{- define "stasis.tlsSecret" -}}
{{- $existing := index (index . 0).Values.tls.existingSecrets (camelcase (index . 1) | untitle) -}}
{{- default (printf "%s-tls" (include "stasis.name" .)) $existing -}}
{{- end }}

{{- define "stasis.tlsFrom" -}}
{{- $given := compact (values .Values.tls.existingSecrets) -}}
{{- if and (gt (len $given) 0) (lt (len $given) 3) -}}
{{- fail "tls.existingSecrets: give all of lifecycleSvc, snapshotSvc and committerAgent, or none: they must share one CA" -}}
{{- else if gt (len $given) 0 -}}
existing
{{- else if .Values.tls.certManager.enabled -}}
certManager
{{- else -}}
chart
{{- end -}}
{{- end }}

{{/* (list $ component): the name that the others check, the role, then how it is reached. */}}
{{- define "stasis.tlsDnsNames" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- $service := include "stasis.name" . -}}
{{- $names := list $role (printf "%s.roles.stasis.internal" $role) -}}
{{- if ne $role "committer-agent" -}}
{{- range list "" (printf ".%s" $root.Release.Namespace) (printf ".%s.svc" $root.Release.Namespace) (printf ".%s.svc.cluster.local" $root.Release.Namespace) -}}
{{- $names = append $names (printf "%s%s" $service .) -}}
{{- end -}}
{{- end -}}
{{- if eq $role "lifecycle-svc" -}}
{{- $names = concat $names $root.Values.tls.extraDnsNames -}}
{{- end -}}
{{- toYaml $names -}}
{{- end }}

{{/* Pod specs. */}}

{{- define "stasis.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* (list $ component values): where its pods go. Replicas prefer to be apart; a small cluster is no obstacle. */}}
{{- define "stasis.placement" -}}
{{- $values := index . 2 -}}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if hasKey $values "replicas" }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "stasis.selectorLabels" . | nindent 8 }}
{{- end }}
{{- end }}

{{- define "stasis.nonRootPod" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532 # reads the mounted Secrets
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "stasis.hardened" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* (list $ component values): kept while more than one replica can serve. v1.20 knows only the beta. */}}
{{- define "stasis.podDisruptionBudget" -}}
{{- $root := index . 0 -}}
{{- $values := index . 2 -}}
{{- if and $values.podDisruptionBudget.enabled (gt (int $values.replicas) 1) }}
---
apiVersion: {{ ternary "policy/v1" "policy/v1beta1" ($root.Capabilities.APIVersions.Has "policy/v1") }}
kind: PodDisruptionBudget
metadata:
  name: {{ include "stasis.name" . }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "stasis.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "stasis.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}
