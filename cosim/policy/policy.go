// Package policy holds the decisions of the cluster, apart from its mechanism:
// which sandbox serves an invocation, which node hosts a new sandbox, how many
// sandboxes a function has and how long they stay, what is tried again or twice.
// A policy is one small type in
// one file, found by its name in one literal map; adding one touches nothing
// else. Its exported fields are its parameters: their tags are those of a
// scenario's keys, and their values in the map are the defaults.
//
// Policies see the cluster through read-only views, keep what state they need
// to themselves, and draw random numbers only from the stream they are handed.
package policy

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"microcosm/cosim/cluster"
)

// Balancing is a load-balancing policy. Its exported fields are its parameters.
type Balancing interface {
	// Balancer makes the load balancer of one function, which orders equally
	// good sandboxes by the given choice.
	Balancer(choice SandboxChoice) cluster.LoadBalancer
}

// Keeping is a keep-alive policy. Its exported fields are its parameters.
type Keeping interface {
	// KeepAlive makes the keep-alive of one function.
	KeepAlive(random *rand.Rand) cluster.KeepAlive
}

// Hedging is a hedging policy. Its exported fields are its parameters.
type Hedging interface {
	// Hedge makes the hedging of one function; nil makes none.
	Hedge() cluster.Hedge
}

// The maps hold every policy under its name, with the defaults of its
// parameters. What is added here can be chosen in scenarios, stands in their
// schema, and is tested against the books of the cluster.
var (
	balancings = map[string]Balancing{
		"consistent-hash":     ConsistentHash{MaxLoad: 1.25},
		"first-available":     firstAvailable{},
		"join-shortest-queue": ShortestQueue{Of: "sandbox"},
		"least-loaded":        leastLoaded{},
		"lukewarm-aware":      LukewarmAware{TieBreak: "first-available"},
		"min-worker-set":      MinWorkerSet{Headroom: 1.2, Memory: time.Minute},
		"power-of-two":        powerOfTwo{},
		"random":              random{},
		"round-robin":         roundRobin{},
		"sticky":              sticky{},
	}
	placements = map[string]cluster.Placement{
		"bin-pack":        binPack{},
		"first-fit":       firstFit{},
		"least-allocated": leastAllocated{},
		"locality":        locality{},
		"random":          anyNode{},
		"spread":          spread{},
	}
	keepings = map[string]Keeping{
		"aws":              Halving{Period: 380 * time.Second},
		"fixed":            FixedTime{For: 10 * time.Minute},
		"greedy-dual":      GreedyDual{Limit: cluster.Unlimited},
		"hybrid-histogram": HybridHistogram{Bin: time.Minute, Range: 4 * time.Hour, Head: .05, Tail: .99, Margin: .1, MinCV: 2, MaxOutside: .5, MinSamples: 5, ForecastMargin: .15},
		"knative":          Knative{StableWindow: time.Minute, Grace: 30 * time.Second},
	}
	retries = map[string]cluster.Retry{
		"exponential": Backoff{Attempts: 5, Base: 100 * time.Millisecond, Cap: 10 * time.Second, Jitter: true},
		"fixed":       FixedRetry{Attempts: 3},
		"none":        noRetry{},
	}
	hedgings = map[string]Hedging{
		"fixed":    FixedHedge{Delay: time.Second},
		"none":     noHedge{},
		"quantile": QuantileHedge{Quantile: .95, MinSamples: 100},
	}
)

// Balancings returns the load-balancing policies by name, with the
// defaults of their parameters.
func Balancings() map[string]Balancing { return maps.Clone(balancings) }

// Placements returns the placement policies by name.
func Placements() map[string]cluster.Placement { return maps.Clone(placements) }

// Keepings returns the keep-alive policies by name.
func Keepings() map[string]Keeping { return maps.Clone(keepings) }

// Retries returns the retry policies by name.
func Retries() map[string]cluster.Retry { return maps.Clone(retries) }

// Hedgings returns the hedging policies by name.
func Hedgings() map[string]Hedging { return maps.Clone(hedgings) }

// BalancerNames returns the names of the load balancers, sorted.
func BalancerNames() []string { return slices.Sorted(maps.Keys(balancings)) }

// PlacementNames returns the names of the placements, sorted.
func PlacementNames() []string { return slices.Sorted(maps.Keys(placements)) }

// KeepAliveNames returns the names of the keep-alive policies, sorted.
func KeepAliveNames() []string { return slices.Sorted(maps.Keys(keepings)) }

// Balancer returns a maker of the named load balancer.
func Balancer(name string, choice SandboxChoice) (func() cluster.LoadBalancer, error) {
	b, err := lookup(balancings, "load balancing", name)
	if err != nil {
		return nil, err
	}
	return func() cluster.LoadBalancer { return b.Balancer(choice) }, nil
}

// Placement returns the named placement.
func Placement(name string) (cluster.Placement, error) { return lookup(placements, "placement", name) }

// first returns the index of the first node, in the order before and then by index, on
// which a sandbox of f fits; -1 where there is none.
func first(f *cluster.Function, nodes []*cluster.Node, before func(a, b *cluster.Node) bool) int {
	best := -1
	for i, n := range nodes {
		if n.Fits(f.MemoryMiB()) && (best < 0 || before(n, nodes[best])) {
			best = i
		}
	}
	return best
}

// KeepAlive returns a maker of the named keep-alive.
func KeepAlive(name string) (func(*rand.Rand) cluster.KeepAlive, error) {
	k, err := lookup(keepings, "keep-alive", name)
	if err != nil {
		return nil, err
	}
	return k.KeepAlive, nil
}

// lookup returns a policy with the defaults of its parameters.
func lookup[P any](family map[string]P, what, name string) (P, error) {
	p, ok := family[name]
	if !ok {
		return p, fmt.Errorf("%s %q: want one of %s", what, name, strings.Join(slices.Sorted(maps.Keys(family)), ", "))
	}
	return p, nil
}

// SandboxChoice is which of several equally good sandboxes serves: it alone
// moves the share of cold starts by orders of magnitude.
type SandboxChoice uint8

// The choices of a sandbox.
const (
	ChoiceInvalid SandboxChoice = iota
	MostRecent                  // the one used last: the others may expire
	LeastRecent                 // the one whose use lies furthest back
	Newest                      // the one created last
	Oldest                      // the one created first
)

var choiceWords = [...]string{"invalid", "most-recent", "least-recent", "newest", "oldest"}

// String returns the word of the choice.
func (c SandboxChoice) String() string {
	if int(c) < len(choiceWords) {
		return choiceWords[c]
	}
	return choiceWords[ChoiceInvalid]
}

// SandboxChoices returns the words that ParseSandboxChoice reads.
func SandboxChoices() []string { return slices.Clone(choiceWords[1:]) }

// ParseSandboxChoice reads what String writes, except "invalid".
func ParseSandboxChoice(word string) (SandboxChoice, error) {
	if i := slices.Index(choiceWords[1:], word); i >= 0 {
		return SandboxChoice(i + 1), nil
	}
	return ChoiceInvalid, fmt.Errorf("sandbox choice %q: want one of %s", word, strings.Join(SandboxChoices(), ", "))
}

// ordered yields the candidates, the preferred first.
func (c SandboxChoice) ordered(from *cluster.Candidates) iter.Seq[*cluster.Sandbox] {
	switch c {
	case LeastRecent:
		return from.ByUse(false)
	case Newest:
		return from.ByAge(true)
	case Oldest:
		return from.ByAge(false)
	default:
		return from.ByUse(true)
	}
}

func (c SandboxChoice) choose(from *cluster.Candidates) *cluster.Sandbox {
	switch c {
	case LeastRecent:
		return from.LeastRecent()
	case Newest:
		return from.Newest()
	case Oldest:
		return from.Oldest()
	default:
		return from.MostRecent()
	}
}
