// Package network is a region's private network: one virtual network with a subnet for
// the cluster's nodes and one for private endpoints, each behind a security group, and
// the private DNS zones without which a private endpoint is an address nobody asks.
//
// Nothing in it is reachable from the internet except HTTPS to the nodes' load balancer.
package network
