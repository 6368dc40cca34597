DROP TABLE capacity_leases;
