package hospital

var roles = []string{"nurse", "nurse", "nurse", "nurse", "doctor", "doctor", "consultant", "pharmacist", "porter"}

var wardNames = []string{
	"Acute Medical", "Cardiology", "Respiratory", "Stroke", "Renal", "Gastroenterology", "Oncology", "Haematology",
	"Orthopaedics", "General Surgery", "Vascular", "Urology", "Neurology", "Elderly Care", "Paediatrics", "Maternity",
	"Neonatal", "Intensive Care", "High Dependency", "Day Surgery", "Discharge Lounge", "Dermatology", "Rheumatology", "Infectious Diseases",
}

var firstNames = []string{
	"Amara", "Ben", "Chiara", "Dafydd", "Efua", "Fionn", "Grace", "Hamza", "Ines", "Jakub", "Khadija", "Liam", "Mei", "Niamh",
	"Oluwaseun", "Priya", "Quentin", "Rhiannon", "Søren", "Tomasz", "Uma", "Víctor", "Wanjiru", "Xin", "Yusuf", "Zoë",
}

var lastNames = []string{
	"Abbott", "Bianchi", "Clarke", "Davies", "Evans", "Fraser", "Ghosh", "Hughes", "Iqbal", "Jones", "Kowalska", "Lewis", "MacLeod",
	"Nguyen", "O'Connor", "Patel", "Quinn", "Rahman", "Smith", "Taylor", "Umar", "Vaughan", "Williams", "Xu", "Young", "Żak",
}

var diagnoses = []string{
	"community acquired pneumonia", "fractured neck of femur", "acute kidney injury", "exacerbation of asthma", "atrial fibrillation",
	"type 2 diabetes, poor control", "cellulitis of left leg", "suspected stroke", "NSTEMI", "bowel obstruction", "urinary sepsis",
	"heart failure", "upper GI bleed", "post-operative recovery", "falls, cause unknown", "delirium", "acute pancreatitis",
}

var taskTitles = []string{
	"Chase blood results", "Review fluid balance", "Book CT head", "Repeat ECG", "Prescribe discharge medicines", "Cannula change",
	"Speak to family", "Refer to physiotherapy", "Check potassium in the morning", "Wound review", "Update escalation plan",
	"Weigh before dialysis", "Swallow assessment", "Swab for culture", "Arrange transport home", "Medicines reconciliation",
}

var sentences = []string{
	"Seen on the ward round.", "Observations stable overnight.", "Pain controlled with regular paracetamol.", "Eating and drinking.",
	"Family updated by telephone.", "Awaiting senior review.", "Bloods sent, please chase.", "Mobilising with one.",
	"Temperature 38.2 °C, cultures taken.", "Oxygen weaned to 2 l/min.", "Catheter removed, trial without catheter.",
	"Plan: continue antibiotics, day 3 of 7.", "For discharge tomorrow if INR ≥ 2.", "Patient anxious about the procedure; explained again.",
	"Handed over to night team.", "No new concerns.",
}
