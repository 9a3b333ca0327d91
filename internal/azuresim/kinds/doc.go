// Package kinds describes, to the stand-in cloud, every type of resource that the
// project declares: where it lies, what it may be called, what it needs, what Azure
// computes for it and what Azure refuses. A type that is not here is refused by name.
//
// Rules of names are Microsoft's "naming rules and restrictions for Azure resources"
// (2025-06); others carry their own source.
package kinds
