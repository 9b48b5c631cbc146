// Package kubernetes is what lies between wanting a sandbox and its first call on a
// Kubernetes cluster: the scheduler with its queue, the kubelet, and containerd with
// its images. It implements cluster.Orchestrator.
//
// A wanted sandbox is a pod in the scheduler's queue. One pod is scheduled at a time:
// nodes are filtered (taints, node affinity, requests, the limit of pods, topology
// spread, pod affinity), scored by the default plugins with their default weights,
// and one of the best is drawn. A pod that fits nowhere backs off and waits for a
// change of the cluster. On its node the kubelet spends requests to the API server
// from a token bucket, the layers of the image are pulled unless they are there, the
// container is created, and the runtime starts; then the pod is ready.
//
// It guarantees what cosim/cluster does: a run is a pure function of its
// configuration. Idle time costs no events. Scores are those of Kubernetes' own
// formulas, in whole numbers rounded as there.
//
// The formulas are those of pkg/scheduler/framework/plugins, the defaults those of
// pkg/scheduler/apis/config/v1 and pkg/kubelet/apis/config/v1beta1 of
// github.com/kubernetes/kubernetes (1.34).
//
// Numbered deviations:
//
//  1. Nothing is preempted, and there are no priorities, volumes, ports or
//     priority classes: sandboxes are equal stateless pods.
//  2. A pod is placed with what is known at the end of its scheduling cycle; the
//     snapshot of Kubernetes is taken at its beginning.
//  3. Every pod that leaves, and every node that comes, gives all unschedulable pods
//     another try; Kubernetes asks each plugin first whether it can help.
//  4. A pod leaves its backoff on whole seconds of the clock, one that was
//     unschedulable for the longest time allowed on multiples of 30 s: the
//     scheduler's flushes have these periods, their phase is 0 here.
//  5. A node offers all its cores and its whole memory, also while a schedule has
//     taken cores away.
//  6. An image is pulled before the pod's sandbox is made; the kubelet makes the
//     sandbox first. Only limits on what a node does at a time can tell.
//  7. A pod that asks for an image that is being pulled waits for that pull; the
//     kubelet asks the registry for the manifest once more and finds the layers.
//  8. Layers of one image are unpacked one after the other, at a speed that other
//     unpacking does not lower.
//  9. The readiness probe answers at once: how long the runtime needs is the stage
//     init.
//  10. A pod with several required affinities finds each one by itself; Kubernetes
//     counts only pods that match all of them.
package kubernetes
