package policy_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// judgedPlacement checks each choice of a placement by a rule.
type judgedPlacement struct {
	cluster.Placement
	rule  func(f *cluster.Function, nodes []*cluster.Node, fits []int, got int)
	made  *int
	check testing.TB
}

func (j judgedPlacement) Choose(f *cluster.Function, nodes []*cluster.Node, r *rand.Rand) int {
	got := j.Placement.Choose(f, nodes, r)
	var fits []int
	for i, n := range nodes {
		if free, limited := n.FreeMiB(); n.Up() && (!limited || free >= f.MemoryMiB()) {
			fits = append(fits, i)
		}
	}
	if len(fits) == 0 {
		require.Equal(j.check, -1, got, "nothing fits")
		return got
	}
	require.Contains(j.check, fits, got, "a sandbox fits where it is placed")
	*j.made++
	j.rule(f, nodes, fits, got)
	return got
}

// first returns a rule that takes the first node whose key is least; keys are
// compared number by number.
func first(t testing.TB, key func(n *cluster.Node) []*big.Rat) func(*cluster.Function, []*cluster.Node, []int, int) {
	return func(_ *cluster.Function, nodes []*cluster.Node, fits []int, got int) {
		best := slices.MinFunc(fits, func(a, b int) int {
			return slices.CompareFunc(key(nodes[a]), key(nodes[b]), func(x, y *big.Rat) int { return x.Cmp(y) })
		})
		require.Equal(t, best, got, "%v: %v", nodes[best].Name(), nodes[got].Name())
	}
}

// preferences are what a policy prefers to what, learned from its choices.
type preferences map[[3]string]bool

// learn notes that a function was given a node though others could have been
// taken, and fails where it was the other way round before.
func (p preferences) learn(t testing.TB, function string, taken *cluster.Node, others []*cluster.Node) {
	for _, n := range others {
		if n != taken {
			p[[3]string{function, taken.Name(), n.Name()}] = true
			require.False(t, p[[3]string{function, n.Name(), taken.Name()}], "%s prefers %s to %s, and did the opposite before", function, taken.Name(), n.Name())
		}
	}
}

// uneven is a cluster of unlike nodes whose functions come and go.
func uneven(t testing.TB, seed uint64) cluster.Config {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 21))
	c := clustertest.Config(t, seed)
	c.Horizon, c.Drain = des.Time(time.Hour), time.Hour
	for i := range 7 {
		c.Nodes = append(c.Nodes, cluster.NodeConfig{Name: fmt.Sprint("node-", i), Cores: 1 + r.IntN(8), MemoryMiB: []int{0, 700, 1500, 1500, 2600}[r.IntN(5)], Platform: "p"})
	}
	for i := range 6 {
		var at []time.Duration
		for now := time.Duration(0); len(at) < 120; at = append(at, now) {
			if r.IntN(3) > 0 {
				now += time.Duration(r.ExpFloat64() * float64(1500*time.Millisecond))
			}
		}
		f := elastic(fmt.Sprint("f", i), policy.FixedTime{For: 4 * time.Second}.KeepAlive, at...)
		f.MemoryMiB = []int{128, 256, 300, 512}[r.IntN(4)]
		c.Functions = append(c.Functions, f)
	}
	return c
}

// TestPlacementsAgainstTheirDefinitions: each choice in a cluster of unlike nodes,
// by a search with exact fractions.
func TestPlacementsAgainstTheirDefinitions(t *testing.T) {
	t.Parallel()
	number := func(x int) *big.Rat { return big.NewRat(int64(x), 1) }
	learned := preferences{}
	for name, rule := range map[string]func(*cluster.Function, []*cluster.Node, []int, int){
		"first-fit": func(_ *cluster.Function, _ []*cluster.Node, fits []int, got int) { require.Equal(t, fits[0], got) },
		"random":    func(*cluster.Function, []*cluster.Node, []int, int) {},
		"spread": first(t, func(n *cluster.Node) []*big.Rat {
			return []*big.Rat{big.NewRat(int64(n.Sandboxes()), int64(n.Cores()))}
		}),
		"bin-pack": first(t, func(n *cluster.Node) []*big.Rat {
			if free, limited := n.FreeMiB(); limited {
				return []*big.Rat{number(0), number(free)}
			}
			return []*big.Rat{number(1), number(-n.Sandboxes())}
		}),
		"least-allocated": first(t, func(n *cluster.Node) []*big.Rat {
			if free, limited := n.FreeMiB(); limited {
				return []*big.Rat{number(1), big.NewRat(int64(-free), int64(n.MemoryMiB()))}
			}
			return []*big.Rat{number(0), number(n.Sandboxes())}
		}),
		"locality": func(f *cluster.Function, nodes []*cluster.Node, fits []int, got int) {
			var others []*cluster.Node
			for _, i := range fits {
				others = append(others, nodes[i])
			}
			learned.learn(t, f.Name(), nodes[got], others)
		},
	} {
		for seed := range uint64(3) {
			c := uneven(t, seed)
			made := 0
			placement, err := policy.Placement(name)
			require.NoError(t, err)
			c.Placement = judgedPlacement{placement, rule, &made, t}
			if name == "locality" && seed == 2 {
				c.Nodes = slices.Delete(c.Nodes, 1, 3) // who stays is preferred as before
			}
			clustertest.Run(t, c)
			require.Greater(t, made, 100, "%s, seed %d", name, seed)
		}
	}
	require.Greater(t, len(learned), 60, "each function has an order of its own")
}

// judged checks each choice of a load balancer by a rule.
type judged struct {
	policy.Balancing
	rule func(c *cluster.Candidates, got *cluster.Sandbox)
}

func (j judged) Balancer(choice policy.SandboxChoice) cluster.LoadBalancer {
	return judging{j.Balancing.Balancer(choice), j.rule}
}

type judging struct {
	cluster.LoadBalancer
	rule func(c *cluster.Candidates, got *cluster.Sandbox)
}

func (j judging) Choose(c *cluster.Candidates, r *rand.Rand) *cluster.Sandbox {
	got := j.LoadBalancer.Choose(c, r)
	j.rule(c, got)
	return got
}

// all lists the candidates.
func all(c *cluster.Candidates) []*cluster.Sandbox {
	list := make([]*cluster.Sandbox, c.Len())
	for i := range list {
		list[i] = c.At(i)
	}
	return list
}

// crowd runs a balancer over two functions that share loaded nodes and forget.
func crowd(t testing.TB, b policy.Balancing, binding cluster.Binding, nodes int) {
	t.Helper()
	law := exponential(20 * time.Millisecond)
	law.Relative, law.Model = 2, servicetime.ConditionModel{Kind: servicetime.Interleave, HalfDepth: 4}
	c := farm(t, b, "spread", nodes, 2, steady("f", 12, 4*time.Millisecond, 2500, law), steady("g", 9, 5*time.Millisecond, 2500, law))
	c.Binding = binding
	clustertest.Run(t, c)
}

// TestBalancersAgainstTheirDefinitions: each choice, by a search over all
// candidates.
func TestBalancersAgainstTheirDefinitions(t *testing.T) {
	t.Parallel()
	pressure := func(s *cluster.Sandbox) float64 {
		return float64(s.Node().Busy()+s.Node().Waiting()) / float64(s.Node().Cores())
	}
	queue := func(of func(*cluster.Sandbox) int) func(c *cluster.Candidates, got *cluster.Sandbox) {
		return func(c *cluster.Candidates, got *cluster.Sandbox) {
			for _, s := range all(c) {
				require.GreaterOrEqual(t, of(s), of(got))
			}
		}
	}
	load := func(s *cluster.Sandbox) int { return s.Load() }
	learned := preferences{}
	for name, balancing := range map[string]policy.Balancing{
		"least-loaded": judged{policy.Balancings()["least-loaded"], func(c *cluster.Candidates, got *cluster.Sandbox) {
			list := all(c)
			compare := func(a, b *cluster.Sandbox) int {
				if a.Load() != b.Load() {
					return a.Load() - b.Load()
				}
				return int(math.Copysign(1, pressure(a)-pressure(b))) * min(1, int(math.Ceil(math.Abs(pressure(a)-pressure(b)))))
			}
			best := slices.MinFunc(list, compare)
			if !slices.ContainsFunc(list, func(s *cluster.Sandbox) bool { return compare(s, best) != 0 }) {
				best = c.MostRecent()
			}
			require.Same(t, best, got)
		}},
		"join-shortest-queue":          judged{policy.ShortestQueue{Of: "sandbox"}, queue(load)},
		"join-shortest-queue of nodes": judged{policy.ShortestQueue{Of: "node"}, queue(func(s *cluster.Sandbox) int { return s.Node().Load() })},
		"power-of-two": judged{policy.Balancings()["power-of-two"], func(c *cluster.Candidates, got *cluster.Sandbox) {
			better := func(s *cluster.Sandbox) bool { return s != got && s.Load() >= got.Load() }
			require.True(t, c.Len() == 1 || slices.ContainsFunc(all(c), better), "the worst of all is never taken alone")
		}},
		"consistent-hash": judged{policy.ConsistentHash{MaxLoad: 1.5}, func(c *cluster.Candidates, got *cluster.Sandbox) {
			total, up := 1, len(c.Function().Nodes())
			for _, n := range c.Function().Nodes() {
				total += n.Load()
			}
			bound := 1.5 * float64(total) / float64(up)
			var within []*cluster.Node
			for _, s := range all(c) {
				if float64(s.Node().Load()) < math.Ceil(bound) {
					within = append(within, s.Node())
				}
				require.False(t, s.Node() == got.Node() && s.Load() < got.Load(), "on its node the least loaded")
			}
			if len(within) > 0 {
				require.Contains(t, within, got.Node())
				learned.learn(t, c.Function().Name(), got.Node(), within)
			}
		}},
		"lukewarm-aware": judged{policy.LukewarmAware{TieBreak: "least-loaded"}, func(c *cluster.Candidates, got *cluster.Sandbox) {
			base := policy.Balancings()["least-loaded"].Balancer(policy.MostRecent).Choose(c, nil)
			least := base.Penalty()
			for _, s := range all(c) {
				if s.Load() <= base.Load() && (s.CanStart() || !base.CanStart()) {
					least = min(least, s.Penalty())
				}
			}
			require.Equal(t, least, got.Penalty(), "none that could start as early forgot less")
			require.LessOrEqual(t, got.Load(), base.Load())
			require.True(t, got.CanStart() || !base.CanStart())
			require.True(t, got == base || got.Penalty() < base.Penalty(), "it departs for a gain only")
		}},
	} {
		for _, binding := range []cluster.Binding{cluster.BindLate, cluster.BindEarly} {
			crowd(t, balancing, binding, 5)
			if name == "consistent-hash" {
				crowd(t, balancing, binding, 4) // a node less: the others keep their order
			}
		}
	}
	require.GreaterOrEqual(t, len(learned), 2*5*4/2, "of both functions every pair of nodes was compared")
}
