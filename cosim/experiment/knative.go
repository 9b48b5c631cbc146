package experiment

import (
	"microcosm/cosim/cluster"
	"microcosm/cosim/controlplane"
	"microcosm/cosim/controlplane/knative"
	"microcosm/cosim/controlplane/scaling"
)

// queuePerSlot is how many requests wait in a queue-proxy for each that its pod
// serves at a time.
const queuePerSlot = 10

// unlimitedSlots stands for a pod without a limit on its concurrency.
const unlimitedSlots = 1 << 30

// addRevision makes a function one of Knative's revisions.
func (p *plan) addRevision(f *cluster.FunctionConfig) error {
	k := &p.scenario.Cluster.Knative
	spec, err := k.Revision(f.Concurrency)
	if err != nil {
		return err
	}
	f.Concurrency, f.QueueLimit = spec.ContainerConcurrency, queuePerSlot*spec.ContainerConcurrency
	if spec.ContainerConcurrency == 0 {
		f.Concurrency, f.QueueLimit = unlimitedSlots, cluster.Unlimited
	}
	r := controlplane.Revision{Spec: spec}
	kind := k.Autoscaler.Kind
	if kind == "knative" && spec.Class == knative.HPA {
		kind = "hpa"
	}
	if kind != "knative" {
		if r.NewScaler, err = scaling.New(kind, k.Autoscaler.Options()); err != nil {
			return err
		}
	}
	if k.Latency != nil {
		law, err := k.Latency.Description().Distribution()
		if err != nil {
			return err
		}
		r.Way = law.Quantile
	}
	p.revisions = append(p.revisions, r)
	return nil
}
