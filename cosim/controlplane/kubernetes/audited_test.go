package kubernetes_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/controlplane/kubernetes"
)

// audited looks at the books after everything that Kubernetes is told.
type audited struct {
	*kubernetes.Kubernetes
	t       require.TestingT
	audits  int
	started bool
}

func (a *audited) audit() {
	if a.started { // before, nodes have not been counted in
		a.audits++
		require.NoError(a.t, a.Audit())
	}
}

func (a *audited) Order(f *cluster.Function)    { a.Kubernetes.Order(f); a.started = true; a.audit() }
func (a *audited) Withdraw(f *cluster.Function) { a.Kubernetes.Withdraw(f); a.audit() }
func (a *audited) Gone(s *cluster.Sandbox)      { a.Kubernetes.Gone(s); a.audit() }
func (a *audited) Changed(n *cluster.Node)      { a.Kubernetes.Changed(n); a.audit() }
func (a *audited) Handle(s cluster.Signal)      { a.Kubernetes.Handle(s); a.audit() }

func TestTheBooksAreRightAfterEveryEvent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawn(t)
		s.watch = func(k *kubernetes.Kubernetes) cluster.Orchestrator { return &audited{Kubernetes: k, t: t} }
		s.run(t)
	})
}

func TestTheAuditSeesWhatItShould(t *testing.T) {
	t.Parallel()
	s := small(2, together(9), together(5))
	s.kube.Images = []kubernetes.Image{{Name: "a", Layers: layers(50, 50)}, {Name: "b", Layers: layers(50, 70)}}
	s.kube.Pods[0].Image, s.kube.Pods[1].Image = 0, 1
	s.kube.Registry = kubernetes.Registry{NodeBandwidth: 100 * mib, Unpack: 300 * mib}
	s.kube.Kubelet.Creations = 2
	var a *audited
	s.watch = func(k *kubernetes.Kubernetes) cluster.Orchestrator {
		a = &audited{Kubernetes: k, t: t}
		return a
	}
	s.run(t)
	require.Greater(t, a.audits, 50)
}
