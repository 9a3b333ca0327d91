// Package project adds to a stack what the rules need and its resources do not show: the
// settings of both standing stacks, the waivers, and the facts about people, all read
// from the project's folder.
package project
