package scenario

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/controlplane/knative"
	"microcosm/cosim/controlplane/scaling"
	"microcosm/cosim/policy"
)

// Text is a value that is kept as it was written.
type Text string

// UnmarshalText reads any text.
func (t *Text) UnmarshalText(text []byte) error { *t = Text(text); return nil }

// MarshalText writes the text.
func (t Text) MarshalText() ([]byte, error) { return []byte(t), nil }

// Knative is Knative Serving as the control plane.
type Knative struct {
	// ConfigMap is the path of the ConfigMap config-autoscaler as YAML; Knative's defaults without.
	ConfigMap string `yaml:"config-map" file:"read"`
	// Service is the path of a Service as YAML, whose annotations and containerConcurrency every function gets.
	Service string `yaml:"service" file:"read"`
	// Settings are those of the ConfigMap by their names in it; they override the file.
	Settings KnativeSettings `yaml:",inline"`
	// ContainerConcurrency is how many requests a pod serves at a time, 0 without a limit; the function's concurrency unless given.
	ContainerConcurrency Text `yaml:"container-concurrency"`
	// Activators is how many activators there are.
	Activators int `yaml:"activators" default:"1" range:"1..1000"`
	// Latency is the time that a request spends in ingress, proxies and network; none unless given.
	Latency *Law `yaml:"latency"`
	// Autoscaler decides how many pods there are: knative, or one that takes its place.
	Autoscaler Autoscaler `yaml:"autoscaler"`

	resolved knative.Settings
	template knative.Revision
}

// Autoscaler decides how many pods each function has.
type Autoscaler struct {
	// Kind is knative, or what takes its place.
	Kind string `yaml:"kind" default:"knative" words:"knative|average-rps|fixed|hpa|queue-length|rps"`
	// Target is what one pod is to take: a share of a core, requests per second, or requests in it; the number of pods where it is fixed.
	Target float64 `yaml:"target" only:"kind=average-rps|fixed|hpa|queue-length|rps" range:"0.001..1000000"`
	// Period is how often it decides.
	Period time.Duration `yaml:"period" only:"kind=average-rps|hpa|queue-length|rps" range:"1s.."`
	// Tolerance is by how large a share load and target may differ before anything changes.
	Tolerance Share `yaml:"tolerance" only:"kind=average-rps|hpa|queue-length" range:"0%..100%"`
	// Stabilization is for how long hpa remembers what it would have wanted before it scales down.
	Stabilization time.Duration `yaml:"stabilization" only:"kind=hpa" default:"5m" range:"0s..1h"`
}

// Options returns what package scaling wants to know.
func (a Autoscaler) Options() scaling.Options {
	o := scaling.Options{Period: a.Period, Target: a.Target, Tolerance: float64(a.Tolerance), Stabilization: a.Stabilization}
	if a.Kind == "hpa" && a.Stabilization == 0 {
		o.Stabilization = scaling.None
	}
	return o
}

// KnativeSettings are those of the ConfigMap config-autoscaler, as texts.
type KnativeSettings struct {
	// Class is the autoscaler: kpa.autoscaling.knative.dev or hpa.autoscaling.knative.dev.
	Class Text `yaml:"pod-autoscaler-class"`
	// ScaleToZero lets revisions without traffic go to zero pods.
	ScaleToZero Text `yaml:"enable-scale-to-zero"`
	// ZeroInitial allows an initial scale of zero.
	ZeroInitial Text `yaml:"allow-zero-initial-scale"`
	// TargetPercentage is the share of a pod's concurrency that is aimed at.
	TargetPercentage Text `yaml:"container-concurrency-target-percentage"`
	// TargetDefault is the concurrency of a pod without a limit.
	TargetDefault Text `yaml:"container-concurrency-target-default"`
	// RPSTarget is the requests per second of a pod.
	RPSTarget Text `yaml:"requests-per-second-target-default"`
	// Burst is the burst in concurrent requests that pods must be able to take for the activators to leave the path; -1 keeps them in it.
	Burst Text `yaml:"target-burst-capacity"`
	// PanicWindow is the panic window in percent of the stable window.
	PanicWindow Text `yaml:"panic-window-percentage"`
	// PanicThreshold is the load in percent of what the pods can take from which on the autoscaler panics.
	PanicThreshold Text `yaml:"panic-threshold-percentage"`
	// UpRate is the largest ratio of wanted to ready pods.
	UpRate Text `yaml:"max-scale-up-rate"`
	// DownRate is the largest ratio of ready to wanted pods.
	DownRate Text `yaml:"max-scale-down-rate"`
	// ActivatorCapacity is how many concurrent requests one activator takes.
	ActivatorCapacity Text `yaml:"activator-capacity"`
	// InitialScale is the number of pods of a new revision.
	InitialScale Text `yaml:"initial-scale"`
	// MinScale is the least number of pods.
	MinScale Text `yaml:"min-scale"`
	// MaxScale is the largest number of pods; 0 without a limit.
	MaxScale Text `yaml:"max-scale"`
	// MaxScaleLimit bounds max-scale.
	MaxScaleLimit Text `yaml:"max-scale-limit"`
	// StableWindow is the time that loads are averaged over.
	StableWindow Text `yaml:"stable-window"`
	// ScaleDownDelay is how long a lower load lasts before pods go.
	ScaleDownDelay Text `yaml:"scale-down-delay"`
	// GracePeriod is how long at most the last pod of an inactive revision stays.
	GracePeriod Text `yaml:"scale-to-zero-grace-period"`
	// PodRetention is how long at least it stays.
	PodRetention Text `yaml:"scale-to-zero-pod-retention-period"`
}

// Revision returns how Knative scales a function of the given concurrency. The
// error names everything that Knative would refuse, which a scenario that was
// read has not.
func (k *Knative) Revision(concurrency int) (knative.Spec, error) {
	r := k.template
	if r.ContainerConcurrency < 0 {
		r.ContainerConcurrency = concurrency
	}
	spec, mistakes := r.Resolve(k.resolved)
	var all []error
	for _, m := range mistakes {
		all = append(all, m)
	}
	return spec, errors.Join(all...)
}

// check reads the two files and lets Knative's own rules speak.
func (k *Knative) check(r *reader, p place) {
	data, places := map[string]string{}, map[string]place{}
	k.configMap(r, p, data, places)
	for _, f := range fieldsOf(reflect.TypeFor[KnativeSettings]()) {
		if text := reflect.ValueOf(k.Settings).FieldByIndex(f.index).String(); text != "" {
			data[f.key], places[f.key] = text, p.child(f.key)
		}
	}
	var mistakes []knative.FieldError
	k.resolved, mistakes = knative.ParseSettings(data)
	k.report(r, p, mistakes, places)
	if len(mistakes) > 0 {
		k.resolved = knative.DefaultSettings() // so that the annotations are judged by themselves
	}
	k.template = knative.Revision{Annotations: map[string]string{}, ContainerConcurrency: -1}
	places = map[string]place{}
	k.service(r, p, places)
	if text := string(k.ContainerConcurrency); text != "" {
		places["containerConcurrency"] = p.child("container-concurrency")
		k.concurrency(r, places["containerConcurrency"], text)
	}
	_, mistakes = knative.Revision{Annotations: k.template.Annotations, ContainerConcurrency: max(0, k.template.ContainerConcurrency)}.Resolve(k.resolved)
	k.report(r, p, mistakes, places)
}

// report puts what Knative would refuse to where it is written.
func (k *Knative) report(r *reader, p place, mistakes []knative.FieldError, places map[string]place) {
	for _, m := range mistakes {
		at, written := places[m.Name]
		if !written {
			at = place{path: p.path + "." + m.Name, key: p.at()}
		}
		r.wrong(at, "%s", m.Problem)
	}
}

func (k *Knative) concurrency(r *reader, p place, text string) {
	var n int
	if _, err := fmt.Sscanf(text+"\n", "%d\n", &n); err != nil || n < 0 {
		r.wrong(p, "%q is no value: want a whole number from 0, for no limit, to 1000", text)
		return
	}
	k.template.ContainerConcurrency = n
}

// checkDecided notes decisions of the scenario's that Knative takes.
func (c *Cluster) checkDecided(r *reader, p place) {
	for key, standard := range map[string]bool{
		"binding":        c.Binding == cluster.BindLate,
		"load-balancing": c.LoadBalancing.Name == "first-available",
		"sandbox-choice": c.SandboxChoice == policy.MostRecent,
		"scaling":        c.Scaling == Scaling{Kind: "concurrency", Max: cluster.Unlimited},
		"keep-alive":     c.KeepAlive.String() == (10 * time.Minute).String(),
		"queue-limit":    c.QueueLimit == cluster.Unlimited,
		"hedging":        c.Hedging.Name == "none",
	} {
		if k := p.child(key); !standard && k.node != nil && r.sound(p, key) {
			r.wrong(place{path: k.path, key: k.key}, "is decided by Knative where controlplane is knative: remove it")
		}
	}
}

// document reads a Kubernetes object of one kind; ok is false where there is
// none, or it has a mistake.
func document(r *reader, p place, path, kind string) (root place, ok bool) {
	if path == "" || r.reported[p.path] {
		return place{}, false
	}
	full := resolve(r.folder, path)
	text, err := os.ReadFile(full)
	if err != nil {
		r.wrong(p, "there is no file %s: check the path, which is relative to the scenario's folder", full)
		return place{}, false
	}
	top, mistakes := parseYAML(full, string(text))
	r.mistakes = append(r.mistakes, mistakes...)
	if top == nil || len(mistakes) > 0 {
		return place{}, false
	}
	root = place{path: p.path + ":", key: top.at, node: top}
	if got := root.child("kind"); top.kind != mappingNode || got.node == nil || got.node.text != kind {
		r.wrong(root, "want a Kubernetes object with kind: %s", kind)
		return place{}, false
	}
	return root, true
}

func (k *Knative) configMap(r *reader, p place, data map[string]string, places map[string]place) {
	root, ok := document(r, p.child("config-map"), k.ConfigMap, "ConfigMap")
	if !ok {
		return
	}
	texts(r, root.child("data"), func(name, text string, at place) { data[name], places[name] = text, at })
}

func (k *Knative) service(r *reader, p place, places map[string]place) {
	root, ok := document(r, p.child("service"), k.Service, "Service")
	if !ok {
		return
	}
	template := root.child("spec").child("template")
	texts(r, template.child("metadata").child("annotations"), func(name, text string, at place) {
		k.template.Annotations[name], places[name] = text, at
	})
	if c := template.child("spec").child("containerConcurrency"); c.node != nil {
		places["containerConcurrency"] = c
		k.concurrency(r, c, c.node.text)
	}
}

// texts hands out the entries of a mapping of texts. In Kubernetes a number or
// truth value in its place is a mistake: it has to be quoted.
func texts(r *reader, p place, each func(name, text string, at place)) {
	if p.node == nil || p.node.kind == nullNode {
		return
	}
	if p.node.kind != mappingNode {
		r.wrong(p, "want names and texts below, not %s", p.node.what())
		return
	}
	for _, e := range p.node.entries {
		at := place{path: p.path + "." + e.key, key: e.at, node: e.value}
		switch e.value.kind {
		case textNode:
			each(e.key, strings.TrimSpace(e.value.text), at)
		case wordNode:
			r.wrong(at, "Kubernetes wants a text here: write %q, in quotes", e.value.text)
		default:
			r.wrong(at, "want a text, not %s", e.value.what())
		}
	}
}
