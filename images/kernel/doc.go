// Package kernel builds the guest kernel of one ISA from Debian's packaged
// source and proves that it is configured as asked.
//
// A configuration is allnoconfig plus two commented fragments, common.config and
// the ISA's own. Every symbol of a fragment that did not take is an error that
// names it and what stands in the way. The few patches over Debian's source, in
// patches/, say in their heads why they are needed. Nothing is a module.
//
// The same source, fragments, patches and compiler give the same bytes: time,
// user and host are fixed, and no path is compiled in.
package kernel
