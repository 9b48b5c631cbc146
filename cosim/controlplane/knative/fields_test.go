package knative_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/controlplane/knative"
)

// Each setting of the ConfigMap changes its field, and no other.
func TestEachSettingSetsItsOwnField(t *testing.T) {
	t.Parallel()
	fields := map[string]struct {
		text, field string
		want        any
	}{
		"pod-autoscaler-class":                    {knative.HPA, "Class", knative.HPA},
		"enable-scale-to-zero":                    {"false", "EnableScaleToZero", false},
		"allow-zero-initial-scale":                {"true", "AllowZeroInitialScale", true},
		"container-concurrency-target-percentage": {"50", "TargetFraction", .5},
		"container-concurrency-target-default":    {"30", "ConcurrencyTarget", 30.},
		"requests-per-second-target-default":      {"150", "RPSTarget", 150.},
		"target-burst-capacity":                   {"-1", "TargetBurstCapacity", -1.},
		"panic-window-percentage":                 {"20", "PanicWindowPercentage", 20.},
		"panic-threshold-percentage":              {"300", "PanicThreshold", 300.},
		"max-scale-up-rate":                       {"7.5", "MaxScaleUpRate", 7.5},
		"max-scale-down-rate":                     {"3", "MaxScaleDownRate", 3.},
		"activator-capacity":                      {"50", "ActivatorCapacity", 50.},
		"initial-scale":                           {"3", "InitialScale", int32(3)},
		"min-scale":                               {"2", "MinScale", int32(2)},
		"max-scale":                               {"9", "MaxScale", int32(9)},
		"max-scale-limit":                         {"0", "MaxScaleLimit", int32(0)},
		"stable-window":                           {"90s", "StableWindow", 90 * time.Second},
		"scale-down-delay":                        {"1m", "ScaleDownDelay", time.Minute},
		"scale-to-zero-grace-period":              {"45s", "GracePeriod", 45 * time.Second},
		"scale-to-zero-pod-retention-period":      {"10s", "PodRetention", 10 * time.Second},
	}
	for _, name := range knative.SettingNames() {
		f, known := fields[name]
		require.True(t, known, "%s: say here what it sets", name)
		s, mistakes := knative.ParseSettings(map[string]string{name: f.text})
		require.Empty(t, mistakes, name)
		want := knative.DefaultSettings()
		reflect.ValueOf(&want).Elem().FieldByName(f.field).Set(reflect.ValueOf(f.want))
		require.Equal(t, want, s, name)
	}
	require.Len(t, fields, len(knative.SettingNames()))
}

// An annotation overrides the setting that stands for all revisions.
func TestAnnotationsOverrideSettings(t *testing.T) {
	t.Parallel()
	settings := knative.DefaultSettings()
	settings.TargetBurstCapacity, settings.ScaleDownDelay, settings.PodRetention = 10, 4*time.Second, 20*time.Second
	settings.MinScale, settings.MaxScale, settings.InitialScale = 1, 5, 2
	whole, mistakes := knative.Revision{}.Resolve(settings)
	require.Empty(t, mistakes)
	for name, c := range map[string]struct {
		text  string
		field func(*knative.Spec) any
		want  any
	}{
		"target-burst-capacity":              {"-1", func(s *knative.Spec) any { return &s.TargetBurstCapacity }, -1.},
		"panic-threshold-percentage":         {"150", func(s *knative.Spec) any { return &s.PanicThreshold }, 1.5},
		"panic-window-percentage":            {"50", func(s *knative.Spec) any { return &s.PanicWindow }, 30 * time.Second},
		"scale-down-delay":                   {"0s", func(s *knative.Spec) any { return &s.ScaleDownDelay }, time.Duration(0)},
		"scale-to-zero-pod-retention-period": {"1m", func(s *knative.Spec) any { return &s.PodRetention }, time.Minute},
		"activation-scale":                   {"3", func(s *knative.Spec) any { return &s.ActivationScale }, int32(3)},
		"min-scale":                          {"4", func(s *knative.Spec) any { return &s.MinScale }, int32(4)},
		"max-scale":                          {"9", func(s *knative.Spec) any { return &s.MaxScale }, int32(9)},
		"initial-scale":                      {"5", func(s *knative.Spec) any { return &s.InitialScale }, int32(5)},
		"class":                              {knative.HPA, func(s *knative.Spec) any { return &s.Class }, knative.HPA},
		"metric-aggregation-algorithm":       {"weighted-exponential", func(s *knative.Spec) any { return &s.Weighted }, true},
	} {
		got, mistakes := knative.Revision{Annotations: annotations(name, c.text)}.Resolve(settings)
		require.Empty(t, mistakes, name)
		want := whole
		reflect.ValueOf(c.field(&want)).Elem().Set(reflect.ValueOf(c.want))
		require.Equal(t, want, got, name)
	}
}

// The panic window is a share of the revision's own window, in whole seconds, and at
// least one.
func TestThePanicWindowFollowsTheStableOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		window, percentage string
		want               time.Duration
	}{{"60s", "10", 6 * time.Second}, {"6s", "10", time.Second}, {"6s", "1", time.Second}, {"25s", "10", 3 * time.Second}, {"24s", "10", 2 * time.Second}, {"1h", "100", time.Hour}} {
		s, mistakes := knative.Revision{Annotations: annotations("window", c.window, "panic-window-percentage", c.percentage)}.Resolve(knative.DefaultSettings())
		require.Empty(t, mistakes)
		require.Equal(t, c.want, s.PanicWindow, "%+v", c)
	}
}

// What a walk is told to answer, it answers when it is asked again: decisions written
// into a walk make one that replays without a difference.
func TestAWalkOfItsOwnAnswersReplays(t *testing.T) {
	t.Parallel()
	var walk bytes.Buffer
	walk.WriteString(`{"settings": {"stable-window": "20s"}, "annotations": {"autoscaling.knative.dev/metric-aggregation-algorithm": "weighted-exponential"}, "container-concurrency": 2, "start": 1000000000}` + "\n")
	line := func(s knative.Step) {
		text, err := json.Marshal(s)
		require.NoError(t, err)
		walk.Write(append(text, '\n'))
	}
	for i := range 40 {
		s := knative.Step{At: int64(i+1) * 1e9, Ready: 1 + i/5, Decide: i%2 == 0}
		if i%7 != 6 {
			s.Stats = []knative.Stat{{Concurrency: float64(i * i % 17), Requests: 3}, {Concurrency: 4, ProxiedConcurrency: 1.5}}
		}
		line(s)
	}
	var answers []knative.Answer
	require.NoError(t, knative.Replay(bytes.NewReader(walk.Bytes()), func(a knative.Answer) error { answers = append(answers, a); return nil }))
	require.Len(t, answers, 20)
	lines := strings.Split(strings.TrimSpace(walk.String()), "\n")
	for i, answer := range answers {
		at := 1 + 2*i
		var s knative.Step
		require.NoError(t, json.Unmarshal([]byte(lines[at]), &s))
		want := answer
		s.Want = &want
		text, err := json.Marshal(s)
		require.NoError(t, err)
		lines[at] = string(text)
	}
	same := strings.Join(lines, "\n")
	require.NoError(t, knative.Replay(strings.NewReader(same), func(knative.Answer) error { return nil }))
	altered := strings.Replace(same, `"desired":`, `"desired":1`, 1)
	var difference *knative.Difference
	require.ErrorAs(t, knative.Replay(strings.NewReader(altered), func(knative.Answer) error { return nil }), &difference)
	require.Equal(t, 2, difference.Line)
	require.ErrorContains(t, difference, "line 2: decided ")
}

// Whatever is read as a walk: it is refused line by line, or answered in the order of
// its instants; nothing panics.
func FuzzReplay(f *testing.F) {
	f.Add(`{}` + "\n" + `{"at": 0, "ready": 1, "stats": [{"concurrency": 70, "requests": 1}], "decide": true}`)
	f.Add(`{"settings": {"stable-window": "6s", "target-burst-capacity": "-1"}, "start": -5}` + "\n" + `{"at": 9223372036854775807, "decide": true, "ready": -1}`)
	f.Add(`{"annotations": {"autoscaling.knative.dev/metric": "rps", "autoscaling.knative.dev/scale-down-delay": "9s"}, "ready": 5}` + "\n" + `{"at": 1, "stable": 1e300, "panic": -1, "decide": true}` + "\n" + `{"at": 2000000000, "stable": 3, "panic": 3, "decide": true}`)
	f.Add("[]\n{}")
	f.Fuzz(func(t *testing.T, walk string) {
		last := int64(-1 << 63)
		stop := errors.New("out of order")
		err := knative.Replay(strings.NewReader(walk), func(a knative.Answer) error {
			if a.At < last {
				return stop
			}
			last = a.At
			return nil
		})
		require.NotErrorIs(t, err, stop)
		var difference *knative.Difference
		if err != nil && !errors.As(err, &difference) {
			require.ErrorIs(t, err, knative.ErrWalk)
		}
	})
}
