"""A monitor: follows every log of a policy from mirrors of tiles, believes nothing, and alarms. Anybody can run one."""
