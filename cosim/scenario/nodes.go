package scenario

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/loadgen/machines"
)

// Nodes reads the files that say how nodes come and go, and returns the nodes,
// numbered within their groups. Mistakes in the files come with their own lines.
func (s *Scenario) Nodes() ([]cluster.NodeConfig, error) {
	var nodes []cluster.NodeConfig
	var mistakes []error
	for i, g := range s.Cluster.Nodes {
		group, err := s.group(g)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("read cluster.nodes[%d]: %w", i, err))
		}
		nodes = append(nodes, group...)
	}
	return nodes, errors.Join(append(mistakes, s.fail(nodes))...)
}

// maxPods is how many pods a kubelet takes where nobody says another number.
const maxPods = 110

func (s *Scenario) group(g NodeGroup) ([]cluster.NodeConfig, error) {
	node := cluster.NodeConfig{Cores: g.Cores, MemoryMiB: int(g.Memory), Platform: g.Platform}
	if g.MemoryOvercommit != 1 {
		node.PlaceMiB = int(float64(g.Memory) * float64(g.MemoryOvercommit))
	}
	node.MaxSandboxes = g.MaxSandboxes
	if s.Cluster.ControlPlane == "knative" && s.Cluster.Orchestrator == "" && g.MaxSandboxes == 0 {
		node.MaxSandboxes = maxPods
	}
	if node.Platform == "" {
		node.Platform = s.Fidelity.Platform
	}
	node.Notice, node.Repair = g.Notice, g.Repair
	if g.FailAt > 0 {
		node.FailAt = []time.Duration{g.FailAt}
	}
	var mistakes []error
	steps, err := s.schedule(g)
	mistakes = append(mistakes, err)
	node.Schedule.Steps = steps
	switch {
	case g.Lifetime != nil:
		node.Lifetime, err = g.Lifetime.Description().Distribution()
		mistakes = append(mistakes, err)
	case g.Survival != "":
		survival, err := machines.ReadSurvival(resolve(s.origin.folder(), g.Survival))
		mistakes = append(mistakes, err)
		node.Lifetime = survival
	}
	nodes := make([]cluster.NodeConfig, g.Count)
	for i := range nodes {
		nodes[i] = node
		nodes[i].Name = numbered(g.Name, i)
		nodes[i].Schedule.Offset = time.Duration(i) * g.Stagger
	}
	return nodes, errors.Join(mistakes...)
}

// schedule reads the group's core schedule, which may not have more cores than
// the nodes.
func (s *Scenario) schedule(g NodeGroup) (steps []cluster.CoreStep, err error) {
	if g.CoreSchedule == "" {
		return nil, nil
	}
	path := resolve(s.origin.folder(), g.CoreSchedule)
	read, err := machines.ReadSchedule(path)
	most := 0
	for _, step := range read {
		steps = append(steps, cluster.CoreStep(step))
		most = max(most, step.Cores)
	}
	if err == nil && most > g.Cores {
		err = fmt.Errorf("%s: has up to %d cores, but the nodes have %d: raise cores", path, most, g.Cores)
	}
	return steps, err
}

// fail adds what In-Vitro's failure.json asks for.
func (s *Scenario) fail(nodes []cluster.NodeConfig) error {
	if s.Cluster.Failure == "" {
		return nil
	}
	path := resolve(s.origin.folder(), s.Cluster.Failure)
	f, err := machines.ReadFailure(path)
	if err != nil || f.Node == "" {
		return err
	}
	i := slices.IndexFunc(nodes, func(n cluster.NodeConfig) bool { return n.Name == f.Node })
	if i < 0 {
		return fmt.Errorf("%s: there is no node %s: nodes are called by their group's name and a number, such as %s", path, f.Node, nodes[0].Name)
	}
	nodes[i].FailAt = append(slices.Clone(nodes[i].FailAt), f.At)
	return nil
}
