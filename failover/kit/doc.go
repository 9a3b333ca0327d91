// Package kit keeps in the DR store everything that a failover needs when the code forge,
// the registry of programs and the lost region are gone: the lifeboat binary, the Pulumi
// CLI with its language host and plugins, configuration, committee, allowed signers.
//
// A kit is a numbered manifest, kits/manifests/<number>, that names files by their SHA-256;
// their bytes are in content-addressed parts, kits/parts/<SHA-256>, so that what did not
// change is not stored again. The manifest is written last: without it there is no kit. The
// code itself is in the code backups of the same store; the manifest says in which.
//
// Build takes no secrets and cannot recognise them: who calls it has to. Unpack writes only
// inside its folder, checks every byte, and leaves nothing behind when it fails.
//
//	m, fresh, err := kit.Build(ctx, dr, kit.Contents{Items: items, Code: 12})
//	m, err = kit.Unpack(ctx, dr, 0, folder) // 0: the newest
package kit
