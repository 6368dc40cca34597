DROP TABLE leads;
DROP TABLE campaigns;
