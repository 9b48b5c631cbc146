package knative

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
)

// Settings are those of the ConfigMap config-autoscaler in knative-serving.
type Settings struct {
	Class                 string // of autoscaler: kpa or hpa
	EnableScaleToZero     bool
	AllowZeroInitialScale bool

	TargetFraction        float64 // of a pod's concurrency that is aimed at, (0, 1]
	ConcurrencyTarget     float64 // of a pod whose concurrency has no limit
	RPSTarget             float64 // requests per second of a pod
	TargetBurstCapacity   float64 // -1: the activator is always in the path
	PanicWindowPercentage float64 // of the stable window
	PanicThreshold        float64 // in percent of what the pods can serve
	MaxScaleUpRate        float64
	MaxScaleDownRate      float64
	ActivatorCapacity     float64 // concurrent requests

	InitialScale, MinScale, MaxScale, MaxScaleLimit int32 // MaxScale 0: without a limit

	StableWindow   time.Duration
	ScaleDownDelay time.Duration
	GracePeriod    time.Duration // before the last pod goes, at most
	PodRetention   time.Duration // before the last pod goes, at least
}

// DefaultSettings returns what Knative does where the ConfigMap is silent.
func DefaultSettings() Settings {
	return Settings{
		Class: KPA, EnableScaleToZero: true,
		TargetFraction: .7, ConcurrencyTarget: 100, RPSTarget: 200, TargetBurstCapacity: 211,
		PanicWindowPercentage: 10, PanicThreshold: 200, MaxScaleUpRate: 1000, MaxScaleDownRate: 2, ActivatorCapacity: 100,
		InitialScale: 1, StableWindow: time.Minute, GracePeriod: 30 * time.Second,
	}
}

// The classes of autoscalers.
const (
	KPA = "kpa.autoscaling.knative.dev"
	HPA = "hpa.autoscaling.knative.dev"
)

// Bounds that Knative sets.
const (
	minTarget = .01
	minWindow = 6 * time.Second
	maxWindow = time.Hour
)

// FieldError is what is wrong with one setting or annotation.
type FieldError struct {
	Name    string // as in the ConfigMap, or of the annotation
	Problem string // what is wrong and what to do
}

// Error returns the name and the problem.
func (e FieldError) Error() string { return e.Name + ": " + e.Problem }

// settings maps the names in the ConfigMap to what they set.
var settings = map[string]func(*Settings) any{
	"pod-autoscaler-class":                    func(s *Settings) any { return &s.Class },
	"enable-scale-to-zero":                    func(s *Settings) any { return &s.EnableScaleToZero },
	"allow-zero-initial-scale":                func(s *Settings) any { return &s.AllowZeroInitialScale },
	"container-concurrency-target-percentage": func(s *Settings) any { return &s.TargetFraction },
	"container-concurrency-target-default":    func(s *Settings) any { return &s.ConcurrencyTarget },
	"requests-per-second-target-default":      func(s *Settings) any { return &s.RPSTarget },
	"target-burst-capacity":                   func(s *Settings) any { return &s.TargetBurstCapacity },
	"panic-window-percentage":                 func(s *Settings) any { return &s.PanicWindowPercentage },
	"panic-threshold-percentage":              func(s *Settings) any { return &s.PanicThreshold },
	"max-scale-up-rate":                       func(s *Settings) any { return &s.MaxScaleUpRate },
	"max-scale-down-rate":                     func(s *Settings) any { return &s.MaxScaleDownRate },
	"activator-capacity":                      func(s *Settings) any { return &s.ActivatorCapacity },
	"initial-scale":                           func(s *Settings) any { return &s.InitialScale },
	"min-scale":                               func(s *Settings) any { return &s.MinScale },
	"max-scale":                               func(s *Settings) any { return &s.MaxScale },
	"max-scale-limit":                         func(s *Settings) any { return &s.MaxScaleLimit },
	"stable-window":                           func(s *Settings) any { return &s.StableWindow },
	"scale-down-delay":                        func(s *Settings) any { return &s.ScaleDownDelay },
	"scale-to-zero-grace-period":              func(s *Settings) any { return &s.GracePeriod },
	"scale-to-zero-pod-retention-period":      func(s *Settings) any { return &s.PodRetention },
}

// SettingNames returns the names in the ConfigMap, sorted.
func SettingNames() []string { return slices.Sorted(maps.Keys(settings)) }

// ParseSettings reads the data of a ConfigMap over Knative's defaults, and
// returns everything that Knative would refuse. The key _example, which Knative
// ships, says nothing.
func ParseSettings(data map[string]string) (Settings, []FieldError) {
	s := DefaultSettings()
	c := check{}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		field, known := settings[name]
		switch {
		case name == "_example":
		case !known:
			c.wrong(name, "is no setting of the autoscaler: want one of those in config/core/configmaps/autoscaler.yaml of knative/serving")
		default:
			c.parse(name, data[name], field(&s))
		}
	}
	if s.TargetFraction > 1 { // up to 1 it is a fraction, beyond it a percentage
		s.TargetFraction /= 100
	}
	c.settings(&s)
	return s, c.mistakes
}

// check collects mistakes, one for each name.
type check struct {
	mistakes []FieldError
	rename   func(string) string // names of annotations as they were written
}

func (c *check) wrong(name, format string, args ...any) {
	if c.rename != nil {
		name = c.rename(name)
	}
	if !slices.ContainsFunc(c.mistakes, func(e FieldError) bool { return e.Name == name }) {
		c.mistakes = append(c.mistakes, FieldError{name, fmt.Sprintf(format, args...)})
	}
}

// need notes a mistake unless a condition holds.
func (c *check) need(holds bool, name, format string, args ...any) {
	if !holds {
		c.wrong(name, format, args...)
	}
}

// parse reads a text into what the target points to; a text that is no value
// leaves it alone.
func (c *check) parse(name, text string, target any) {
	var want string
	ok := true
	switch t := target.(type) {
	case *string:
		*t = text
	case *bool:
		ok, want = set(t, strconv.ParseBool, text), "true or false"
	case *int32:
		ok, want = set(t, parseInt32, text), "a whole number"
	case *float64:
		ok, want = set(t, parseFinite, text), "a number"
	case *time.Duration:
		ok, want = set(t, time.ParseDuration, text), "a duration such as 60s"
	}
	c.need(ok, name, "%q is no value: want %s", text, want)
}

func set[T any](target *T, parse func(string) (T, error), text string) bool {
	value, err := parse(text)
	if err == nil {
		*target = value
	}
	return err == nil
}

func parseInt32(text string) (int32, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	return int32(n), err
}

func parseFinite(text string) (float64, error) {
	x, err := strconv.ParseFloat(text, 64)
	if math.IsNaN(x) || math.IsInf(x, 0) {
		err = strconv.ErrRange
	}
	return x, err
}

// settings notes what Knative refuses when it loads the ConfigMap.
func (c *check) settings(s *Settings) {
	c.need(s.Class == KPA || s.Class == HPA, "pod-autoscaler-class", "%q is not known: want %s or %s", s.Class, KPA, HPA)
	c.need(s.GracePeriod > 0, "scale-to-zero-grace-period", "%v must be positive", s.GracePeriod)
	c.need(s.ScaleDownDelay >= 0 && wholeSeconds(s.ScaleDownDelay), "scale-down-delay", "%v: want whole seconds, from 0s", s.ScaleDownDelay)
	c.need(s.PodRetention >= 0, "scale-to-zero-pod-retention-period", "%v must not be negative", s.PodRetention)
	c.need(s.TargetBurstCapacity >= 0 || s.TargetBurstCapacity == -1, "target-burst-capacity", "%g: want at least 0, or -1 for an activator that is always in the path", s.TargetBurstCapacity)
	c.need(s.TargetFraction > 0 && s.TargetFraction <= 1, "container-concurrency-target-percentage", "%g is outside of (0, 100]", s.TargetFraction*100)
	c.need(s.TargetFraction*s.ConcurrencyTarget >= minTarget, "container-concurrency-target-default", "%g times the target percentage is %g: want at least %g", s.ConcurrencyTarget, s.TargetFraction*s.ConcurrencyTarget, minTarget)
	c.need(s.RPSTarget >= minTarget, "requests-per-second-target-default", "%g: want at least %g", s.RPSTarget, minTarget)
	c.need(s.ActivatorCapacity >= 1, "activator-capacity", "%g: want at least 1", s.ActivatorCapacity)
	c.need(s.MaxScaleUpRate > 1, "max-scale-up-rate", "%g: want more than 1", s.MaxScaleUpRate)
	c.need(s.MaxScaleDownRate > 1, "max-scale-down-rate", "%g: want more than 1", s.MaxScaleDownRate)
	c.window("stable-window", s.StableWindow)
	c.need(s.PanicWindowPercentage >= 1 && s.PanicWindowPercentage <= 100, "panic-window-percentage", "%g: want 1 to 100", s.PanicWindowPercentage)
	c.need(s.InitialScale > 0 || s.InitialScale == 0 && s.AllowZeroInitialScale, "initial-scale", "%d: want at least 1, or 0 with allow-zero-initial-scale", s.InitialScale)
	c.need(s.MinScale >= 0, "min-scale", "%d must not be negative", s.MinScale)
	c.need(s.MaxScaleLimit >= 0, "max-scale-limit", "%d must not be negative", s.MaxScaleLimit)
	switch {
	case s.MaxScale < 0:
		c.wrong("max-scale", "%d must not be negative", s.MaxScale)
	case s.MaxScaleLimit > 0 && (s.MaxScale == 0 || s.MaxScale > s.MaxScaleLimit):
		c.wrong("max-scale", "%d: want 1 to max-scale-limit, %d", s.MaxScale, s.MaxScaleLimit)
	case s.MaxScale > 0 && s.MinScale > s.MaxScale:
		c.wrong("min-scale", "%d is more than max-scale, %d", s.MinScale, s.MaxScale)
	}
}

func (c *check) window(name string, d time.Duration) {
	c.need(d >= minWindow && d <= maxWindow && wholeSeconds(d), name, "%v: want whole seconds from %v to %v", d, minWindow, maxWindow)
}

func wholeSeconds(d time.Duration) bool { return d%time.Second == 0 }
