package event

// specialCategories are the terms of the Data Privacy Vocabulary's module pd
// that are special categories of personal data (Art. 9): W3C DPV 2.3, pd.csv,
// the terms whose type is dpv:SpecialCategoryPersonalData. Sorted.
var specialCategories = []string{
	"Biometric", "BloodType", "DNACode", "Disability", "DrugTestResult", "EthnicOrigin", "FacialExpression", "FacialPrint",
	"FamilyHealthHistory", "Fetish", "Fingerprint", "Genetic", "Health", "HealthHistory", "HealthRecord",
	"IndividualHealthHistory", "MedicalHealth", "MentalHealth", "PhilosophicalBelief", "PhysicalHealth",
	"PoliticalAffiliation", "PoliticalOpinion", "Prescription", "Proclivity", "Race", "Religion", "ReligiousBelief",
	"Retina", "Sexual", "SexualHistory", "SexualPreference", "TradeUnionMembership",
}
