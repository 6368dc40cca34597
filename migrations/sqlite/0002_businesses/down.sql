DROP TABLE business_changes;
DROP TABLE business_versions;
DROP TABLE business_numbers;
DROP TABLE businesses;
