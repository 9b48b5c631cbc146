// Package controlplane is the control plane of a serverless cluster as mechanism:
// Knative Serving's data path (ingress, activator, queue-proxy), its metrics, its
// autoscaler and the life of its pods, in the place of cosim/cluster's own
// binding, scaling and keep-alive.
//
// A request comes through the ingress. While a revision's activators are in the
// path they hold it until a pod has a free slot, and choose the pod: the first
// available one, round robin, or the better of two random ones, by the revision's
// concurrency. Otherwise it goes to a random pod, as kube-proxy sends it, and
// waits in the pod's queue-proxy or is answered 503. Activators and queue-proxies
// report once a second; the autoscaler scrapes a sample of pods, decides every
// 2 s, and moves the activators into and out of the path by the excess burst
// capacity. All arithmetic of decisions is that of package knative.
//
// It guarantees what cosim/cluster does: a run is a pure function of its
// configuration, and no request is lost from the count. A revision that has
// nothing to do costs no events.
//
// Numbered deviations:
//
//  1. The time of ingress, activator, queue-proxy and network is added to the
//     response in one piece; pods see a request at once.
//  2. Changes of the network (activators into and out of the path, new and removed
//     endpoints) take effect at once, but for the activator's probing of new pods.
//  3. Pods are sorted by age where Knative sorts by address.
//  4. A pod that terminates serves what is in it and then frees its memory; the
//     drain time of the queue-proxy is not waited for.
//  5. Requests do not time out, and a revision's progress deadline never passes.
//  6. The activator's queue has no limit: Knative's limit is 10 000 beyond the
//     largest 32-bit number, which no run reaches.
//  7. A node takes as many pods as its memory and its MaxSandboxes allow, unless
//     package kubernetes places them: scenarios give it the kubelet's 110. On nodes
//     without either limit, an overloaded revision without a max-scale whose scrapes
//     see its old, busy pods only scales without bound.
package controlplane
