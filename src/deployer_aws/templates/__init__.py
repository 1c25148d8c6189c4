"""CloudFormation templates: read and evaluated."""
