package workloads

import (
	"fmt"

	apps "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	core "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	meta "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// mssqlUser is the user that SQL Server's image runs as.
const mssqlUser = 10001

// database runs SQL Server in the cluster: a drill that needs no Azure SQL. One replica
// on one disk; it is as durable as the drill needs and no more.
func (w *Workloads) database(ctx *pulumi.Context, space *core.Namespace) error {
	d := w.args.Database
	secret, err := core.NewSecret(ctx, "mssql", &core.SecretArgs{
		Metadata: in(space, "mssql", labels("mssql")), StringData: pulumi.StringMap{"password": d.Password},
	}, w.options...)
	if err != nil {
		return err
	}
	_, err = core.NewService(ctx, "mssql", &core.ServiceArgs{
		Metadata: in(space, "mssql", labels("mssql")),
		Spec: core.ServiceSpecArgs{
			ClusterIP: pulumi.String("None"), Selector: labels("mssql"),
			Ports: core.ServicePortArray{core.ServicePortArgs{Name: pulumi.String("tds"), Port: pulumi.Int(databasePort), TargetPort: pulumi.String("tds")}},
		},
	}, w.options...)
	if err != nil {
		return err
	}
	_, err = apps.NewStatefulSet(ctx, "mssql", &apps.StatefulSetArgs{
		Metadata: in(space, "mssql", labels("mssql")),
		Spec: apps.StatefulSetSpecArgs{
			ServiceName: pulumi.String("mssql"), Replicas: pulumi.Int(1),
			Selector: meta.LabelSelectorArgs{MatchLabels: labels("mssql")},
			Template: core.PodTemplateSpecArgs{
				Metadata: meta.ObjectMetaArgs{Labels: labels("mssql")},
				Spec:     mssqlPod(d, secret),
			},
			VolumeClaimTemplates: core.PersistentVolumeClaimTypeArray{core.PersistentVolumeClaimTypeArgs{
				Metadata: meta.ObjectMetaArgs{Name: pulumi.String("data")},
				Spec: core.PersistentVolumeClaimSpecArgs{
					AccessModes: pulumi.ToStringArray([]string{"ReadWriteOnce"}), StorageClassName: pulumi.String("managed-csi-premium"),
					Resources: core.VolumeResourceRequirementsArgs{Requests: pulumi.StringMap{"storage": pulumi.String(fmt.Sprintf("%dGi", d.SizeGiB))}},
				},
			}},
		},
	}, w.running()...)
	return err
}

func mssqlPod(d Container, secret *core.Secret) *core.PodSpecArgs {
	return &core.PodSpecArgs{
		AutomountServiceAccountToken: pulumi.Bool(false), TerminationGracePeriodSeconds: pulumi.Int(60),
		SecurityContext: &core.PodSecurityContextArgs{
			RunAsNonRoot: pulumi.Bool(true), RunAsUser: pulumi.Int(mssqlUser), FsGroup: pulumi.Int(mssqlUser),
			SeccompProfile: core.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
		},
		Containers: core.ContainerArray{core.ContainerArgs{
			Name: pulumi.String("mssql"), Image: pulumi.String(d.Image),
			Env: core.EnvVarArray{
				core.EnvVarArgs{Name: pulumi.String("ACCEPT_EULA"), Value: pulumi.String("Y")},
				core.EnvVarArgs{Name: pulumi.String("MSSQL_PID"), Value: pulumi.String("Developer")},
				core.EnvVarArgs{Name: pulumi.String("MSSQL_SA_PASSWORD"), ValueFrom: core.EnvVarSourceArgs{
					SecretKeyRef: core.SecretKeySelectorArgs{Name: secret.Metadata.Name(), Key: pulumi.String("password")},
				}},
			},
			Ports:           core.ContainerPortArray{core.ContainerPortArgs{Name: pulumi.String("tds"), ContainerPort: pulumi.Int(databasePort)}},
			SecurityContext: &core.SecurityContextArgs{AllowPrivilegeEscalation: pulumi.Bool(false), Capabilities: core.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"}), Add: pulumi.ToStringArray([]string{"NET_BIND_SERVICE"})}},
			// SQL Server takes 80 % of what it sees; the limit is what it may see.
			Resources: core.ResourceRequirementsArgs{
				Requests: pulumi.StringMap{"cpu": pulumi.String("2"), "memory": pulumi.String("4Gi")},
				Limits:   pulumi.StringMap{"memory": pulumi.String("4Gi")},
			},
			ReadinessProbe: core.ProbeArgs{TcpSocket: core.TCPSocketActionArgs{Port: pulumi.String("tds")}, PeriodSeconds: pulumi.Int(5)},
			VolumeMounts:   core.VolumeMountArray{core.VolumeMountArgs{Name: pulumi.String("data"), MountPath: pulumi.String("/var/opt/mssql")}},
		}},
	}
}
