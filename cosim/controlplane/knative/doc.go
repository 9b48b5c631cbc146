// Package knative is the arithmetic of Knative Serving's autoscaling: which
// settings there are, how a second's metrics become averages, how many pods an
// autoscaler wants, and when a revision goes to zero.
//
// It guarantees that equal inputs give the decisions of Knative's own code
// (v1.22 and after, commit 98e5ef9 of August 2026), to the last bit on one
// architecture: testdata holds walks that Knative's code was recorded on, and
// WALKS.md how to record others. It simulates nothing: package controlplane does.
package knative
