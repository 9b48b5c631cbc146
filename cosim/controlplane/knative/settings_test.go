package knative_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/controlplane/knative"
)

func TestSettingsHaveKnativesNamesAndDefaults(t *testing.T) {
	t.Parallel()
	shipped := map[string]string{ // config/core/configmaps/autoscaler.yaml at 98e5ef9
		"container-concurrency-target-percentage": "70", "container-concurrency-target-default": "100", "requests-per-second-target-default": "200",
		"target-burst-capacity": "211", "stable-window": "60s", "panic-window-percentage": "10.0", "panic-threshold-percentage": "200.0",
		"max-scale-up-rate": "1000.0", "max-scale-down-rate": "2.0", "enable-scale-to-zero": "true", "scale-to-zero-grace-period": "30s",
		"scale-to-zero-pod-retention-period": "0s", "pod-autoscaler-class": "kpa.autoscaling.knative.dev", "activator-capacity": "100.0",
		"initial-scale": "1", "allow-zero-initial-scale": "false", "min-scale": "0", "max-scale": "0", "scale-down-delay": "0s", "max-scale-limit": "0",
	}
	require.Len(t, knative.SettingNames(), len(shipped))
	s, mistakes := knative.ParseSettings(shipped)
	require.Empty(t, mistakes)
	require.Equal(t, knative.DefaultSettings(), s, "what ships says nothing new")
	s, mistakes = knative.ParseSettings(map[string]string{"_example": "stable-window: 1s"})
	require.Empty(t, mistakes)
	require.Equal(t, knative.DefaultSettings(), s)
	s, _ = knative.ParseSettings(map[string]string{"container-concurrency-target-percentage": "0.9"})
	require.InEpsilon(t, .9, s.TargetFraction, 1e-12, "a fraction is read too")
}

func TestEverySettingThatKnativeRefusesIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	bad := map[string]string{
		"pod-autoscaler-class": "vpa", "enable-scale-to-zero": "perhaps", "container-concurrency-target-percentage": "101",
		"container-concurrency-target-default": "0.001", "requests-per-second-target-default": "0", "target-burst-capacity": "-2",
		"panic-window-percentage": "0.5", "max-scale-up-rate": "1", "max-scale-down-rate": "1", "activator-capacity": "NaN",
		"initial-scale": "0", "min-scale": "-1", "max-scale": "3", "max-scale-limit": "2", "stable-window": "90s500ms",
		"scale-down-delay": "1500ms", "scale-to-zero-grace-period": "0s", "scale-to-zero-pod-retention-period": "-1s",
		"panic-threshold-percentage": "much", "allow-zero-initial-scale": "1x", "stable_window": "1m",
	}
	_, mistakes := knative.ParseSettings(bad)
	named := map[string]string{}
	for _, m := range mistakes {
		require.NotContains(t, named, m.Name, "once each")
		named[m.Name] = m.Error()
	}
	for name := range bad {
		if name != "max-scale-limit" { // it is max-scale that does not fit
			require.Contains(t, named, name)
		}
	}
	require.Len(t, named, len(bad)-1)
	require.Equal(t, `activator-capacity: "NaN" is no value: want a number`, named["activator-capacity"])

	for situation, data := range map[string]map[string]string{
		"max-scale: ": {"max-scale-limit": "5"},
		"min-scale: ": {"min-scale": "5", "max-scale": "4"},
		"max-scale:":  {"max-scale": "-1"},
	} {
		_, mistakes := knative.ParseSettings(data)
		require.Len(t, mistakes, 1, situation)
		require.True(t, strings.HasPrefix(mistakes[0].Error(), situation), mistakes[0])
	}
}

func annotations(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m["autoscaling.knative.dev/"+pairs[i]] = pairs[i+1]
	}
	return m
}

func TestRevisionsResolveAgainstTheSettings(t *testing.T) {
	t.Parallel()
	resolve := func(r knative.Revision) knative.Spec {
		s, mistakes := r.Resolve(knative.DefaultSettings())
		require.Empty(t, mistakes)
		return s
	}
	plain := resolve(knative.Revision{})
	require.Equal(t, []float64{100, 70, 2, 211}, []float64{plain.Total, plain.Target, plain.PanicThreshold, plain.TargetBurstCapacity})
	require.Equal(t, []time.Duration{time.Minute, 6 * time.Second}, []time.Duration{plain.StableWindow, plain.PanicWindow})

	for situation, c := range map[string]struct {
		revision      knative.Revision
		total, target float64
	}{
		"the limit is the total":               {knative.Revision{ContainerConcurrency: 10}, 10, 7},
		"a target without a limit":             {knative.Revision{Annotations: annotations("target", "50")}, 50, 35},
		"a target above the limit is cut":      {knative.Revision{ContainerConcurrency: 10, Annotations: annotations("target", "50")}, 10, 7},
		"a target below the limit stands":      {knative.Revision{ContainerConcurrency: 10, Annotations: annotations("target", "5")}, 5, 3.5},
		"requests per second":                  {knative.Revision{ContainerConcurrency: 1, Annotations: annotations("metric", "rps")}, 200, 140},
		"a target in requests per second":      {knative.Revision{ContainerConcurrency: 1, Annotations: annotations("metric", "rps", "target", "30")}, 30, 21},
		"another utilization":                  {knative.Revision{ContainerConcurrency: 10, Annotations: annotations("targetUtilizationPercentage", "100")}, 10, 10},
		"the least target":                     {knative.Revision{Annotations: annotations("target", "0.01", "target-utilization-percentage", "10")}, .01, .01},
		"the newer of two names":               {knative.Revision{Annotations: annotations("targetUtilizationPercentage", "50", "target-utilization-percentage", "80")}, 100, 80},
		"annotations of others say nothing":    {knative.Revision{Annotations: map[string]string{"prometheus.io/scrape": "true"}}, 100, 70},
		"the panic window is whole, and there": {knative.Revision{Annotations: annotations("window", "6s", "panic-window-percentage", "1")}, 100, 70},
	} {
		s := resolve(c.revision)
		require.InEpsilon(t, c.total, s.Total, 1e-12, situation)
		require.InEpsilon(t, c.target, s.Target, 1e-12, situation)
		require.GreaterOrEqual(t, s.PanicWindow, time.Second, situation)
	}
	hidden := resolve(knative.Revision{Unreachable: true, Annotations: annotations("min-scale", "3", "scale-to-zero-pod-retention-period", "1m")})
	require.Zero(t, hidden.MinScale)
	require.Zero(t, hidden.PodRetention)
	require.True(t, resolve(knative.Revision{Annotations: annotations("metricAggregationAlgorithm", "weightedExponential")}).Weighted)
}

func TestEveryAnnotationThatKnativeRefusesIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	settings := knative.DefaultSettings()
	settings.MaxScaleLimit, settings.MaxScale = 10, 10
	bad := annotations("class", "vpa", "metric", "memory", "target", "0", "targetUtilizationPercentage", "0", "window", "2h",
		"panic-window-percentage", "101", "panic-threshold-percentage", "100", "target-burst-capacity", "-3", "min-scale", "-1", "max-scale", "20",
		"initial-scale", "0", "activation-scale", "1", "scale-down-delay", "0.5s", "scale-to-zero-pod-retention-period", "2h",
		"metric-aggregation-algorithm", "median", "burst", "1")
	delete(bad, "autoscaling.knative.dev/class") // of another class Knative checks less
	_, mistakes := knative.Revision{Annotations: bad, ContainerConcurrency: 1001}.Resolve(settings)
	var named []string
	for _, m := range mistakes {
		named = append(named, m.Name)
	}
	want := []string{"containerConcurrency"}
	for name := range bad {
		want = append(want, name)
	}
	require.ElementsMatch(t, want, named)
}
