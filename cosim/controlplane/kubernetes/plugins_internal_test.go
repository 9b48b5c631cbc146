package kubernetes

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawnWorld is any small cluster with anything on it, whether it could have come
// about or not.
func drawnWorld(t *rapid.T) (Config, []machine) {
	pick := func(name string, from ...int) int { return rapid.SampledFrom(from).Draw(t, name) }
	word := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(t, name) }
	c := Config{
		Scheduler: Scheduler{
			Weights: DefaultWeights(), Strategy: rapid.SampledFrom([]Strategy{LeastAllocated, MostAllocated}).Draw(t, "strategy"),
			HardPodAffinityWeight: pick("hard weight", 0, 1, 100),
		},
		Kubelet: Kubelet{MaxPods: pick("pods", 3, 8)},
	}
	for i := range rapid.IntRange(1, 2).Draw(t, "images") {
		c.Images = append(c.Images, Image{Layers: []Layer{{Name: word("layer", "a", "b"), MiB: pick("MiB", 1, 46, 700, 3000)}, {Name: word("own", "c", "d"), MiB: i}}})
	}
	functions := rapid.IntRange(1, 3).Draw(t, "functions")
	topology := func() string { return word("topology", Hostname, Zone, "rack") }
	requirements := func() (list []Requirement) {
		for range pick("requirements", 0, 0, 1, 2) {
			r, err := ParseRequirement(word("requirement", "disk=ssd", "disk!=ssd", "disk", "!disk", "disk in (ssd, hdd)", "disk notin (hdd)", Zone+"=x"))
			require.NoError(t, err)
			list = append(list, r)
		}
		return list
	}
	for range functions {
		p := PodSpec{MilliCPU: pick("cpu", 0, 250, 1500), MemoryMiB: pick("memory", 0, 128, 900), Image: rapid.IntRange(NoImage, len(c.Images)-1).Draw(t, "image")}
		p.NodeSelector = requirements()
		for range pick("tolerations", 0, 1, 2) {
			toleration, err := ParseToleration(word("toleration", "k", "k=v", "k=w", "j", ":NoSchedule", ":PreferNoSchedule", "k=v:NoExecute", "*"))
			require.NoError(t, err)
			p.Tolerations = append(p.Tolerations, toleration)
		}
		for range pick("preferences", 0, 1, 2) {
			p.NodeAffinity = append(p.NodeAffinity, NodePreference{Weight: pick("preference", 1, 30, 100), Match: requirements()})
		}
		for range pick("terms", 0, 1, 2) {
			term := PodTerm{Topology: topology(), Weight: pick("weight", 0, 1, 50), Anti: rapid.Bool().Draw(t, "anti")}
			term.Functions = []int{rapid.IntRange(0, functions-1).Draw(t, "friend")}
			p.PodAffinity = append(p.PodAffinity, term)
		}
		for range pick("constraints", 0, 0, 1, 2) {
			p.Spread = append(p.Spread, SpreadConstraint{Topology: topology(), MaxSkew: pick("skew", 1, 2, 5), Hard: rapid.Bool().Draw(t, "hard")})
		}
		c.Pods = append(c.Pods, p)
	}
	var machines []machine
	for range rapid.IntRange(1, 6).Draw(t, "machines") {
		m := machine{labels: Labels{}, capacity: allocation{pick("mCPU", 0, 2000, 4000), pick("capacity", 0, 1000, 4096)}, pods: map[int32]int{}}
		for _, label := range [][]string{{Zone, "x", "y", ""}, {"rack", "r", "s", ""}, {"disk", "ssd", "hdd", ""}} {
			if value := word(label[0], label[1:]...); value != "" {
				m.labels[label[0]] = value
			}
		}
		for range pick("taints", 0, 0, 1, 2) {
			taint, err := ParseTaint(word("taint", "k=v:NoSchedule", "k=w:PreferNoSchedule", "j:PreferNoSchedule", "k=v:NoExecute"))
			require.NoError(t, err)
			m.taints = append(m.taints, taint)
		}
		for f := range functions {
			if many := pick("running", 0, 0, 1, 3); many > 0 {
				m.pods[int32(f)] = many
			}
		}
		for i := range c.Images {
			if rapid.Bool().Draw(t, "there") {
				m.images = append(m.images, i)
			}
		}
		machines = append(machines, m)
	}
	return c, machines
}

func TestFiltersAreThoseOfTheNaiveModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, machines := drawnWorld(t)
		k, n := world(t, c, machines...), newNaive(c, machines)
		for f := range c.Pods {
			p := k.prefilter(int32(f))
			for i := range machines {
				for _, filter := range []struct {
					name      string
					got, want bool
				}{
					{"TaintToleration", taintToleration(k, p, int32(i)), n.passesTaints(f, i)},
					{"NodeAffinity", nodeAffinity(k, p, int32(i)), n.passesAffinity(f, i)},
					{"NodeResourcesFit", resourcesFit(k, p, int32(i)), n.passesFit(f, i)},
					{"PodTopologySpread", topologySpread(k, p, int32(i)), n.passesSpread(f, i)},
					{"InterPodAffinity", interPodAffinity(k, p, int32(i)), n.passesPodAffinity(f, i)},
				} {
					require.Equal(t, filter.want, filter.got, "%s: pod of function %d on node %d", filter.name, f, i)
				}
			}
		}
	})
}

// Any subset of the nodes may be what passes the filters.
func TestScoresAreThoseOfTheNaiveModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, machines := drawnWorld(t)
		k, n := world(t, c, machines...), newNaive(c, machines)
		var nodes []int32
		for i := range machines {
			if rapid.IntRange(0, 3).Draw(t, "passes") > 0 {
				nodes = append(nodes, int32(i))
			}
		}
		if len(nodes) == 0 {
			return
		}
		rules := map[string]func(function int, nodes []int32) []int64{
			"TaintToleration": n.scoreTaints, "NodeAffinity": n.scoreNodeAffinity, "NodeResourcesFit": n.scoreFit, "PodTopologySpread": n.scoreSpread,
			"InterPodAffinity": n.scorePodAffinity, "NodeResourcesBalancedAllocation": n.scoreBalance, "ImageLocality": n.scoreImages,
		}
		for f := range c.Pods {
			total := make([]int64, len(nodes))
			for _, plugin := range plugins {
				got, want := make([]int64, len(nodes)), rules[plugin.name](f, nodes)
				plugin.score(k, k.prefilter(int32(f)), nodes, got)
				require.Equal(t, want, got, "%s: function %d on nodes %v", plugin.name, f, nodes)
				require.GreaterOrEqual(t, slices.Min(got), int64(0), plugin.name)
				require.LessOrEqual(t, slices.Max(got), int64(maxScore), plugin.name)
				for j := range total {
					total[j] += int64(plugin.weight(c.Scheduler.Weights)) * want[j]
				}
			}
			require.Equal(t, total, k.scores(k.prefilter(int32(f)), nodes))
		}
	})
}

func TestAPluginWithoutWeightDoesNotCount(t *testing.T) {
	t.Parallel()
	c := Config{Scheduler: Scheduler{Strategy: LeastAllocated}, Pods: []PodSpec{{MilliCPU: 500, Image: NoImage}}}
	machines := []machine{{capacity: allocation{1000, 0}}, {capacity: allocation{4000, 0}}}
	require.Equal(t, []int64{0, 0}, world(t, c, machines...).scores(world(t, c, machines...).prefilter(0), []int32{0, 1}), "none has a weight")
	c.Scheduler.Weights.ResourcesFit = 7
	k := world(t, c, machines...)
	require.Equal(t, []int64{7 * 50, 7 * 87}, k.scores(k.prefilter(0), []int32{0, 1}))
}

// Of the best nodes each is drawn as often as the others, and no other ever.
func TestTheBestNodesAreDrawnAlike(t *testing.T) {
	t.Parallel()
	k := world(t, Config{})
	k.random = fixedStream()
	const draws = 3000
	counts := map[int32]int{}
	for range draws {
		counts[k.select1([]int32{4, 7, 9, 11, 12}, []int64{5, 8, 8, 3, 8})]++
	}
	require.Len(t, counts, 3)
	chi := 0.0
	for _, node := range []int32{7, 9, 12} {
		d := float64(counts[node]) - draws/3.
		chi += d * d / (draws / 3.)
	}
	require.Less(t, chi, 13.8, "chi squared of two degrees of freedom, 0.1 %%: %v", counts)
	require.EqualValues(t, 4, k.select1([]int32{4, 5}, []int64{0, -1}))
}

// Capacities and requests that are larger by one factor give the same scores.
func TestResourcesHaveNoUnitOfTheirOwn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scale := rapid.IntRange(2, 9).Draw(t, "scale")
		draw := func(name string) int { return rapid.IntRange(1, 4000).Draw(t, name) }
		small := Config{Scheduler: Scheduler{Strategy: rapid.SampledFrom([]Strategy{LeastAllocated, MostAllocated}).Draw(t, "strategy")}}
		large := small
		for range 2 {
			p := PodSpec{MilliCPU: draw("cpu"), MemoryMiB: draw("memory"), Image: NoImage}
			small.Pods = append(small.Pods, p)
			p.MilliCPU, p.MemoryMiB = p.MilliCPU*scale, p.MemoryMiB*scale
			large.Pods = append(large.Pods, p)
		}
		var one, other []machine
		for range 3 {
			m := machine{capacity: allocation{draw("cores"), draw("MiB")}, pods: map[int32]int{1: rapid.IntRange(0, 2).Draw(t, "pods")}}
			one = append(one, m)
			m.capacity.milliCPU, m.capacity.mib = m.capacity.milliCPU*scale, m.capacity.mib*scale
			other = append(other, m)
		}
		for _, name := range []string{"NodeResourcesFit", "NodeResourcesBalancedAllocation"} {
			require.Equal(t, world(t, small, one...).by(name, 0), world(t, large, other...).by(name, 0), name)
		}
	})
}

// The thresholds of the plugin: 23 MiB and 1000 MiB.
func TestImageLocalityCountsBetweenItsThresholds(t *testing.T) {
	t.Parallel()
	for mib, want := range map[int]int64{1: 0, 23: 0, 32: 0, 33: 1, 511: 49, 512: 50, 999: 99, 1000: 100, 5000: 100} {
		c := Config{Images: []Image{{Layers: []Layer{{Name: "l", MiB: mib}}}}, Pods: []PodSpec{{}}}
		require.Equal(t, []int64{want}, world(t, c, machine{images: []int{0}}).by("ImageLocality", 0), "%d MiB on the only node", mib)
		spread := world(t, c, machine{images: []int{0}}, machine{}, machine{}, machine{}).by("ImageLocality", 0)
		require.Equal(t, int64(max(0, (min(mib<<20/4, 1000<<20)-23<<20)*100/(977<<20))), spread[0], "%d MiB on one of four", mib)
		require.Zero(t, spread[1])
	}
}
