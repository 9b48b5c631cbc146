// Package rootfs makes the trees that a disk image is put together from: the
// guest's own root and the read-only layers that functions share.
//
// A layer is a list of Debian packages, given in full and not by dependency,
// because the dependencies of a package are those of a Debian system (debconf,
// perl, init scripts) and a guest is none. That a list is complete is checked
// instead of hoped for: every shared library that a program or library of the
// layer asks for must be in the layer or in one it stands on.
//
// Packages come from the sources that apt has on this machine, verified by apt,
// for either ISA and without privileges: nothing is installed, no maintainer
// script runs. Versions are resolved once and then kept until a refresh is asked
// for, so that the second build needs no network.
package rootfs
