package knative

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Metric is what an autoscaler looks at.
type Metric string

// The metrics.
const (
	Concurrency Metric = "concurrency"
	RPS         Metric = "rps"
)

// Revision is what a Service says of itself.
type Revision struct {
	Annotations          map[string]string // of the template; names with autoscaling.knative.dev/
	ContainerConcurrency int               // requests at a time in one pod; 0: without a limit
	Unreachable          bool              // no route leads to it
}

// Spec is everything that decides how one revision is scaled.
type Spec struct {
	Class                string
	Metric               Metric
	Weighted             bool    // averages count recent seconds more
	Target, Total        float64 // of the metric: aimed at, and possible, per pod
	TargetBurstCapacity  float64
	ActivatorCapacity    float64
	PanicThreshold       float64 // as a ratio
	MaxScaleUpRate       float64
	MaxScaleDownRate     float64
	StableWindow         time.Duration
	PanicWindow          time.Duration
	ScaleDownDelay       time.Duration
	Reachable            bool
	InitialScale         int32
	ActivationScale      int32
	MinScale, MaxScale   int32 // MaxScale 0: without a limit
	EnableScaleToZero    bool
	GracePeriod          time.Duration
	PodRetention         time.Duration
	ContainerConcurrency int
}

// Group is the prefix of the annotations.
const Group = "autoscaling.knative.dev/"

// otherNames maps annotations to their older names.
var otherNames = map[string]string{
	"initial-scale": "initialScale", "max-scale": "maxScale", "min-scale": "minScale",
	"metric-aggregation-algorithm": "metricAggregationAlgorithm",
	"panic-threshold-percentage":   "panicThresholdPercentage", "panic-window-percentage": "panicWindowPercentage",
	"scale-down-delay": "scaleDownDelay", "scale-to-zero-pod-retention-period": "scaleToZeroPodRetentionPeriod",
	"target-burst-capacity": "targetBurstCapacity", "target-utilization-percentage": "targetUtilizationPercentage",
}

var annotationNames = []string{
	"activation-scale", "class", "initial-scale", "max-scale", "metric", "metric-aggregation-algorithm", "min-scale",
	"panic-threshold-percentage", "panic-window-percentage", "scale-down-delay", "scale-to-zero-pod-retention-period",
	"target", "target-burst-capacity", "target-utilization-percentage", "window",
}

// annotated reads the annotations of one revision.
type annotated struct {
	check
	values map[string]string // by name without the group
	wrote  map[string]string // the name as written
}

// Resolve returns how a revision is scaled under the settings, and everything
// that Knative would refuse in its annotations.
func (r Revision) Resolve(s Settings) (Spec, []FieldError) {
	a := r.read()
	spec := Spec{
		Class: s.Class, Metric: Concurrency, TargetBurstCapacity: s.TargetBurstCapacity, ActivatorCapacity: s.ActivatorCapacity,
		PanicThreshold: s.PanicThreshold, MaxScaleUpRate: s.MaxScaleUpRate, MaxScaleDownRate: s.MaxScaleDownRate,
		StableWindow: s.StableWindow, ScaleDownDelay: s.ScaleDownDelay, Reachable: !r.Unreachable,
		InitialScale: s.InitialScale, MinScale: s.MinScale, MaxScale: s.MaxScale,
		EnableScaleToZero: s.EnableScaleToZero, GracePeriod: s.GracePeriod, PodRetention: s.PodRetention,
		ContainerConcurrency: r.ContainerConcurrency,
	}
	a.get("class", &spec.Class)
	a.get("metric", (*string)(&spec.Metric))
	a.get("target-burst-capacity", &spec.TargetBurstCapacity)
	a.get("panic-threshold-percentage", &spec.PanicThreshold)
	a.get("window", &spec.StableWindow)
	a.get("scale-down-delay", &spec.ScaleDownDelay)
	a.get("scale-to-zero-pod-retention-period", &spec.PodRetention)
	a.get("activation-scale", &spec.ActivationScale)
	a.get("min-scale", &spec.MinScale)
	a.get("max-scale", &spec.MaxScale)
	initial := spec.InitialScale
	a.get("initial-scale", &initial)
	if initial != 0 || s.AllowZeroInitialScale {
		spec.InitialScale = initial
	}
	panicPercentage := s.PanicWindowPercentage
	a.get("panic-window-percentage", &panicPercentage)
	algorithm := "linear"
	a.get("metric-aggregation-algorithm", &algorithm)
	a.bounds(&spec, s, initial, panicPercentage, algorithm)

	spec.Weighted = algorithm != "linear"
	spec.PanicThreshold /= 100
	spec.PanicWindow = max(time.Second, time.Duration(float64(spec.StableWindow)*panicPercentage/100).Round(time.Second))
	a.target(&spec, s)
	if r.Unreachable {
		spec.MinScale, spec.PodRetention = 0, 0
	}
	return spec, a.mistakes
}

// read sorts the annotations and refuses those of the group that it has not.
func (r Revision) read() *annotated {
	a := &annotated{values: map[string]string{}, wrote: map[string]string{}}
	a.rename = func(name string) string {
		if wrote, ok := a.wrote[name]; ok {
			return wrote
		}
		return Group + name
	}
	for _, full := range slices.Sorted(maps.Keys(r.Annotations)) {
		name, ours := strings.CutPrefix(full, Group)
		if !ours {
			continue
		}
		proper := name
		for k, older := range otherNames {
			if name == older {
				proper = k
			}
		}
		if !slices.Contains(annotationNames, proper) {
			a.mistakes = append(a.mistakes, FieldError{full, "is no annotation of the autoscaler: want one of " + strings.Join(annotationNames, ", ")})
			continue
		}
		if _, newer := r.Annotations[Group+proper]; proper == name || !newer { // the newer name wins
			a.values[proper], a.wrote[proper] = r.Annotations[full], full
		}
	}
	if r.ContainerConcurrency < 0 || r.ContainerConcurrency > 1000 {
		a.mistakes = append(a.mistakes, FieldError{"containerConcurrency", "want 0, for no limit, to 1000"})
	}
	return a
}

func (a *annotated) has(name string) bool { _, ok := a.values[name]; return ok }

func (a *annotated) get(name string, target any) {
	if text, ok := a.values[name]; ok {
		a.parse(name, text, target)
	}
}

// bounds notes values that Knative's webhook refuses.
func (a *annotated) bounds(s *Spec, of Settings, initial int32, panicPercentage float64, algorithm string) {
	a.need(s.Class == KPA || s.Class == HPA, "class", "%q is not known: want %s or %s", s.Class, KPA, HPA)
	if s.Class == KPA {
		a.need(s.Metric == Concurrency || s.Metric == RPS, "metric", "%q is not known: want %s or %s", s.Metric, Concurrency, RPS)
		a.need(slices.Contains([]string{"linear", "weighted-exponential", "weightedExponential"}, algorithm), "metric-aggregation-algorithm", "%q is not known: want linear or weighted-exponential", algorithm)
	}
	if a.has("window") {
		a.window("window", s.StableWindow)
	}
	a.need(!a.has("scale-down-delay") || s.ScaleDownDelay >= 0 && s.ScaleDownDelay <= maxWindow && wholeSeconds(s.ScaleDownDelay), "scale-down-delay", "%v: want whole seconds from 0s to %v", s.ScaleDownDelay, maxWindow)
	a.need(!a.has("scale-to-zero-pod-retention-period") || s.PodRetention >= 0 && s.PodRetention <= maxWindow, "scale-to-zero-pod-retention-period", "%v: want 0s to %v", s.PodRetention, maxWindow)
	a.need(!a.has("panic-window-percentage") || panicPercentage >= 1 && panicPercentage <= 100, "panic-window-percentage", "%g: want 1 to 100", panicPercentage)
	a.need(!a.has("panic-threshold-percentage") || s.PanicThreshold >= 110 && s.PanicThreshold <= 1000, "panic-threshold-percentage", "%g: want 110 to 1000", s.PanicThreshold)
	a.need(s.TargetBurstCapacity >= 0 || s.TargetBurstCapacity == -1, "target-burst-capacity", "%g: want at least 0, or -1", s.TargetBurstCapacity)
	a.need(initial > 0 || initial == 0 && of.AllowZeroInitialScale, "initial-scale", "%d: want at least 1, or 0 where the cluster has allow-zero-initial-scale", initial)
	a.scales(s, of)
}

func (a *annotated) scales(s *Spec, of Settings) {
	a.need(s.MinScale >= 0, "min-scale", "%d must not be negative", s.MinScale)
	a.need(s.MaxScale >= 0, "max-scale", "%d must not be negative", s.MaxScale)
	a.need(s.MaxScale == 0 || s.MinScale <= s.MaxScale, "min-scale", "%d is more than max-scale, %d", s.MinScale, s.MaxScale)
	if limit := of.MaxScaleLimit; limit > 0 && a.has("max-scale") {
		a.need(s.MaxScale > 0 && s.MaxScale <= limit, "max-scale", "%d: want 1 to max-scale-limit, %d", s.MaxScale, limit)
	}
	if a.has("activation-scale") {
		n := s.ActivationScale
		a.need(n >= 2 && n >= s.MinScale && (s.MaxScale == 0 || n <= s.MaxScale), "activation-scale", "%d: want at least 2, and between min-scale and max-scale", n)
	}
}

// target resolves what one pod is to take, and could.
func (a *annotated) target(spec *Spec, s Settings) {
	utilization := s.TargetFraction
	if spec.Metric == RPS {
		spec.Total, utilization = s.RPSTarget, DefaultSettings().TargetFraction
	} else if spec.Total = float64(spec.ContainerConcurrency); spec.Total == 0 {
		spec.Total = s.ConcurrencyTarget
	}
	if a.has("target") {
		limit := spec.Total
		a.get("target", &spec.Total)
		a.need(spec.Total >= minTarget, "target", "%g: want at least %g", spec.Total, minTarget)
		if spec.Metric == Concurrency && spec.ContainerConcurrency != 0 {
			spec.Total = math.Min(spec.Total, limit)
		}
	}
	if a.has("target-utilization-percentage") {
		percent := utilization * 100
		a.get("target-utilization-percentage", &percent)
		a.need(percent >= 1 && percent <= 100, "target-utilization-percentage", "%g: want 1 to 100", percent)
		utilization = percent / 100
	}
	spec.Target = math.Max(minTarget, spec.Total*utilization)
}
