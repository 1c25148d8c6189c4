"""Kinds of resources: which of them may hold data.

Where an update has removed or replaced a resource that may hold data, the version before it is not put back by itself:
it would run on an empty one in the place of its own. Every kind may hold data but those of this list, so that a kind
which nobody has thought of is taken for one that does. `docs/kinds.md` is made of the list.
"""

from collections.abc import Mapping

NESTED_STACK = "AWS::CloudFormation::Stack"

WITHOUT_DATA: Mapping[str, tuple[str, ...]] = {
    "What runs is told by the template alone, and holds its data elsewhere.": (
        "AWS::ECS::CapacityProvider",
        "AWS::ECS::Cluster",
        "AWS::ECS::ClusterCapacityProviderAssociations",
        "AWS::ECS::PrimaryTaskSet",
        "AWS::ECS::Service",
        "AWS::ECS::TaskDefinition",
        "AWS::ECS::TaskSet",
        "AWS::Lambda::Alias",
        "AWS::Lambda::Function",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::Version",
    ),
    "Permissions are told by the template alone. (Users and access keys are not here: no key is made twice.)": (
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::IAM::RolePolicy",
        "AWS::Lambda::LayerVersionPermission",
        "AWS::Lambda::Permission",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::SecretsManager::ResourcePolicy",
    ),
    "Ways of the traffic: they keep none of it. (Addresses are not here: an elastic one does not come back.)": (
        "AWS::EC2::Route",
        "AWS::EC2::RouteTable",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::ElasticLoadBalancingV2::Listener",
        "AWS::ElasticLoadBalancingV2::ListenerCertificate",
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        "AWS::Route53::RecordSet",
        "AWS::ServiceDiscovery::Service",
    ),
    "What starts and scales, and when. (Event source mappings are not here: they hold a place in a stream.)": (
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::Events::Rule",
        "AWS::Scheduler::Schedule",
    ),
    "What people watch by: no version of the application reads it back.": (
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::CompositeAlarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::Logs::LogGroup",
        "AWS::Logs::LogStream",
        "AWS::Logs::MetricFilter",
        "AWS::Logs::SubscriptionFilter",
    ),
    "Helpers of CloudFormation and of CDK, which are nothing by themselves.": (
        "AWS::CDK::Metadata",
        "AWS::CloudFormation::WaitCondition",
        "AWS::CloudFormation::WaitConditionHandle",
    ),
}
"""Kinds that hold no data, by the reason why."""

_WITHOUT_DATA = frozenset(kind for kinds in WITHOUT_DATA.values() for kind in kinds)


def may_hold_data(kind: str) -> bool:
    """Tell whether a resource of a kind may hold what its template does not make anew."""
    return kind not in _WITHOUT_DATA
