// Package policy holds the decisions of the cluster, apart from its mechanism:
// which sandbox serves an invocation, which node hosts a new sandbox, how many
// sandboxes a function has. A policy is one small type in one file, found by
// its name in one literal map; adding one touches nothing else.
//
// Policies see the cluster through read-only views, keep what state they need
// to themselves, and draw random numbers only from the stream they are handed.
package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"microcosm/cosim/cluster"
)

// balancers maps names to load balancers. Each function gets its own, which
// orders idle sandboxes by the given choice.
var balancers = map[string]func(SandboxChoice) cluster.LoadBalancer{
	"first-available": func(c SandboxChoice) cluster.LoadBalancer { return firstAvailable{c} },
	"random":          func(SandboxChoice) cluster.LoadBalancer { return random{} },
	"round-robin":     func(SandboxChoice) cluster.LoadBalancer { return roundRobin{} },
	"least-loaded":    func(c SandboxChoice) cluster.LoadBalancer { return leastLoaded{c} },
	"power-of-two":    func(SandboxChoice) cluster.LoadBalancer { return powerOfTwo{} },
	"sticky":          func(SandboxChoice) cluster.LoadBalancer { return sticky{} },
}

// placements maps names to placements.
var placements = map[string]cluster.Placement{
	"spread":    spread{},
	"bin-pack":  binPack{},
	"first-fit": firstFit{},
	"random":    anyNode{},
}

// BalancerNames returns the names of the load balancers, sorted.
func BalancerNames() []string { return slices.Sorted(maps.Keys(balancers)) }

// PlacementNames returns the names of the placements, sorted.
func PlacementNames() []string { return slices.Sorted(maps.Keys(placements)) }

// Balancer returns a maker of the named load balancer.
func Balancer(name string, choice SandboxChoice) (func() cluster.LoadBalancer, error) {
	make, ok := balancers[name]
	if !ok {
		return nil, fmt.Errorf("load balancing %q: want one of %s", name, strings.Join(BalancerNames(), ", "))
	}
	return func() cluster.LoadBalancer { return make(choice) }, nil
}

// Placement returns the named placement.
func Placement(name string) (cluster.Placement, error) {
	p, ok := placements[name]
	if !ok {
		return nil, fmt.Errorf("placement %q: want one of %s", name, strings.Join(PlacementNames(), ", "))
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
